// Forces and virial from what entries pull at: an entry pulls at its sender, and with the opposite sign at its receiver. So a
// receiver finds all in its own row and at the partners of its entries, in an order that is always the same.
enum { SUMS = 10 };  // energy, and the virial's nine components, [SUMS, points]

struct Pulled { real force[3]; real sums[SUMS]; };

DEVICE void take(Pulled& own, int i, int capacity, const int* count, const int* partner, const real4* geometry,
                 const real4* pull) {
  const place first = place(i) * capacity, last = first + count[i];
  AHEAD
  for (place e = first; e < last; e++) {
    const real4 u = geometry[e], there = pull[partner[e]], here = pull[e];
    own.force[0] += here.x - there.x; own.force[1] += here.y - there.y; own.force[2] += here.z - there.z;
    const real r = u.w == real(0) ? real(0) : real(1) / u.w;
    const real way[3] = {u.x * r, u.y * r, u.z * r}, by[3] = {here.x, here.y, here.z};
    own.sums[0] += here.w;
    UNROLL
    for (int a = 0; a < 3; a++)
      UNROLL
      for (int b = 0; b < 3; b++) own.sums[1 + 3 * a + b] -= way[a] * by[b];
  }
}

DEVICE void spread_sums(const Pulled& own, real* sums, int point, int points) {
  for (int k = 0; k < SUMS; k++) sums[place(k) * points + point] = own.sums[k];
}

// a thread a grain: dE by its center for each of its atoms, [3]; energy and virial of its messages
KERNEL(collect_grains, int points, int atoms, int capacity, const int* RESTRICT first, const int* RESTRICT count,
       const int* RESTRICT partner, const real4* RESTRICT geometry, const real4* RESTRICT pull,
       const real* RESTRICT relative, const real* RESTRICT grad_relative, const real* RESTRICT energy,
       real* RESTRICT by_center, real* RESTRICT sums)
  Pulled own{};
  if (capacity) take(own, thread, capacity, count, partner, geometry, pull);
  own.sums[0] += energy[thread];
  for (int i = first[thread]; i < first[thread + 1]; i++)
    for (int a = 0; a < 3; a++) {
      own.force[a] += grad_relative[3 * place(i) + a];
      for (int b = 0; b < 3; b++) own.sums[1 + 3 * a + b] -= relative[3 * place(i) + a] * grad_relative[3 * place(i) + b];
    }
  for (int q = 0; q < 3; q++) by_center[3 * thread + q] = -own.force[q] / real(first[thread + 1] - first[thread]);
  spread_sums(own, sums, atoms + thread, points);
END

// a thread an atom: its force, in the topology's order, and its energy and virial. What a part of the energy lacks is null
KERNEL(collect_atoms, int points, real unit, const int* RESTRICT order, const int* RESTRICT owner, int inner_capacity,
       const int* RESTRICT inner_count, const int* RESTRICT inner_partner, const real4* RESTRICT inner_geometry,
       const real4* RESTRICT inner_pull, int capacity, const int* RESTRICT count, const int* RESTRICT partner,
       const real4* RESTRICT geometry, const real4* RESTRICT pull, const real* RESTRICT grad_relative,
       const real* RESTRICT by_center, const real* RESTRICT intra, const real* RESTRICT rest, real* RESTRICT forces,
       real* RESTRICT sums)
  Pulled own{};
  take(own, thread, inner_capacity, inner_count, inner_partner, inner_geometry, inner_pull);
  if (intra) own.sums[0] += intra[thread];
  if (rest) {
    take(own, thread, capacity, count, partner, geometry, pull);
    own.sums[0] += rest[thread];
    for (int q = 0; q < 3; q++) own.force[q] -= grad_relative[3 * place(thread) + q] + by_center[3 * place(owner[thread]) + q];
  }
  for (int q = 0; q < 3; q++) forces[3 * place(order[thread]) + q] = own.force[q] * unit;
  spread_sums(own, sums, thread, points);
END

// a thread a chunk and component: every `chunks`-th number, in double precision
KERNEL(sum_chunks, int chunks, int points, const real* RESTRICT sums, double* RESTRICT partial)
  const int component = thread / chunks, chunk = thread - component * chunks;
  double sum = 0;
  for (int n = chunk; n < points; n += chunks) sum += sums[place(component) * points + n];
  partial[thread] = sum;
END

// a thread a component; `constant` goes to the energy
KERNEL(sum_up, int chunks, double constant, const double* RESTRICT partial, double* RESTRICT total)
  double sum = thread == 0 ? constant : 0;
  for (int n = 0; n < chunks; n++) sum += partial[thread * chunks + n];
  total[thread] = sum;
END
