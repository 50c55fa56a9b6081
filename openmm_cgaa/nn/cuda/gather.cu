// Sums over neighbours of radial functions times 1, u and the traceless square of u (six components), times what the sender
// gives; and the ways back. A radial function is a sum over a basis: weights [channels, basis], in rows of `Functions`.

// rows of fixed capacity, with their geometry and basis
template <class Row> struct Entries {
  int capacity;
  const int* count;
  const real4* geometry;
  const Row* basis;
};

// densities or their gradients, [n, scalars], [n, 3, vectors] and [n, 6, tensors]; a row is `stride` numbers from the next
template <class Number> struct Fields {
  Number* s; int s_stride;
  Number* v; int v_stride;
  Number* t; int t_stride;
};

#define ROOT_2 real(1.41421356237309504880)
#define THIRD real(0.33333333333333333333)

// the radial functions of an entry whose weights are the same for all entries
template <class Row> struct Radial {
  const Row* basis;
  Row weights[4];
  DEVICE Radial(const Row* basis, const Row* first, int left) : basis(basis) {
    UNROLL
    for (int k = 0; k < 4; k++) weights[k] = first[k < left ? k : 0];
  }
  DEVICE real4 operator()(place e) const { return four_dots(basis[e], weights, 4); }
};

// `radial(e)` gives the radial functions of an entry, which are zero beyond the cutoff, `sent(e)` what its sender gives. `AT_ONCE`:
// entries that are read together
template <int AT_ONCE, class Row, class Radial, class Sent>
DEVICE void gather(const Task& own, const Entries<Row>& rows, Radial radial, Sent sent, const Fields<real>& out) {
  const place i = own.receiver, first = i * rows.capacity, last = first + rows.count[i];
  if (own.kind == 0) {
    real4 sum{0, 0, 0, 0};
    UNROLL_BY((AT_ONCE))
    for (place e = first; e < last; e++) add_times(sum, times(radial(e), sent(e)), real(1));
    put(out.s + i * out.s_stride + own.channel, own.left, sum);
  } else if (own.kind == 1) {
    real4 sum[3] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}};
    UNROLL_BY((AT_ONCE))
    for (place e = first; e < last; e++) {
      const real4 u = rows.geometry[e], f = times(radial(e), sent(e));
      add_times(sum[0], f, u.x); add_times(sum[1], f, u.y); add_times(sum[2], f, u.z);
    }
    UNROLL
    for (int q = 0; q < 3; q++) put(out.v + (i * 3 + q) * out.v_stride + own.channel, own.left, sum[q]);
  } else {
    real4 sum[6] = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}};
    UNROLL_BY((AT_ONCE))
    for (place e = first; e < last; e++) {
      const real4 u = rows.geometry[e], f = times(radial(e), sent(e));
      const real x = u.x * ROOT_2, y = u.y * ROOT_2;
      add_times(sum[0], f, u.x * u.x - THIRD); add_times(sum[1], f, u.y * u.y - THIRD);
      add_times(sum[2], f, u.z * u.z - THIRD); add_times(sum[3], f, x * u.y);
      add_times(sum[4], f, x * u.z); add_times(sum[5], f, y * u.z);
    }
    UNROLL
    for (int q = 0; q < 6; q++) put(out.t + (i * 6 + q) * out.t_stride + own.channel, own.left, sum[q]);
  }
}

// of one entry of receiver i: dE by the way to its sender, from the gradients by the densities of i. `sent(c)` gives what the
// sender gives in the channels from c on
template <class Width, class Row, class Sent>
DEVICE real4 pull_of(int i, const real4& u, const Row& value, const Row& slope, const Row* weight, Sent sent,
                     const Fields<const real>& grad) {
  const bool whole = Fours<Width>::whole;
  real along = 0, px = 0, py = 0, pz = 0;
  const real* gs = grad.s + place(i) * grad.s_stride;
  const bool s_at_once = whole && in_fours(grad.s, grad.s_stride);
  for (int from = 0; from < Width::scalars; from += 4) {
    const int left = Width::scalars - from;
    const real4 f = times(sent(from, left), some(gs + from, left, s_at_once));
    UNROLL
    for (int k = 0; k < 4; k++)
      if (whole || k < left) along += dot(slope, weight[from + k]) * part(f, k);
  }
  const bool v_at_once = whole && in_fours(grad.v, grad.v_stride);
  for (int from = 0; from < Width::vectors; from += 4) {
    const int left = Width::vectors - from;
    const real* g = grad.v + place(i) * 3 * grad.v_stride + from;
    const real4 f = sent(Width::scalars + from, left), gx = some(g, left, v_at_once),
                gy = some(g + grad.v_stride, left, v_at_once), gz = some(g + 2 * grad.v_stride, left, v_at_once);
    UNROLL
    for (int k = 0; k < 4; k++) {
      if (!whole && k >= left) continue;
      const Row& own = weight[Width::scalars + from + k];
      const real x = part(f, k) * part(gx, k), y = part(f, k) * part(gy, k), z = part(f, k) * part(gz, k);
      const real radial = dot(value, own);
      along += dot(slope, own) * (x * u.x + y * u.y + z * u.z);
      px += radial * x; py += radial * y; pz += radial * z;
    }
  }
  const bool t_at_once = whole && in_fours(grad.t, grad.t_stride);
  for (int from = 0; from < Width::tensors; from += 4) {
    const int left = Width::tensors - from;
    const real* g = grad.t + place(i) * 6 * grad.t_stride + from;
    const real4 f = sent(Width::scalars + Width::vectors + from, left);
    real4 of[6];
    UNROLL
    for (int q = 0; q < 6; q++) of[q] = some(g + q * grad.t_stride, left, t_at_once);
    UNROLL
    for (int k = 0; k < 4; k++) {
      if (!whole && k >= left) continue;
      const Row& own = weight[Width::scalars + Width::vectors + from + k];
      const real a = part(f, k), h = a / ROOT_2;
      const real xx = a * part(of[0], k), yy = a * part(of[1], k), zz = a * part(of[2], k);
      const real xy = h * part(of[3], k), xz = h * part(of[4], k), yz = h * part(of[5], k);
      const real x = xx * u.x + xy * u.y + xz * u.z, y = xy * u.x + yy * u.y + yz * u.z, z = xz * u.x + yz * u.y + zz * u.z;
      const real twice = real(2) * dot(value, own);
      along += dot(slope, own) * (x * u.x + y * u.y + z * u.z - (xx + yy + zz) * THIRD);
      px += twice * x; py += twice * y; pz += twice * z;
    }
  }
  along -= (px * u.x + py * u.y + pz * u.z) * u.w;
  return {along * u.x + px * u.w, along * u.y + py * u.w, along * u.z + pz * u.w, 0};
}

DEVICE void add(real4& sum, const real4& more) { sum.x += more.x; sum.y += more.y; sum.z += more.z; }

// ---- inside of grains: weights by class of pair. `turn` puts atoms, or entries, of one class side by side: the threads of a
// warp read the same weights
KERNEL(gather_inner, int atoms, const int* RESTRICT turn, int capacity, const int* RESTRICT count,
       const int* RESTRICT group, const real4* RESTRICT geometry, const Gaussians::Row* RESTRICT basis,
       const Gaussians::Row* RESTRICT weights, real* RESTRICT s, int s_stride, real* RESTRICT v, int v_stride,
       real* RESTRICT t, int t_stride)
  const Task own = Task::of<Densities>(turn[thread % atoms], thread / atoms);
  const Gaussians::Row* first = weights + own.place_in<Densities>();
  const Entries<Gaussians::Row> rows{capacity, count, geometry, basis};
  const auto radial = [&](place e) { return four_dots(basis[e], first + place(group[e]) * Densities::all, own.left); };
  gather<2>(own, rows, radial, [](place) { return real4{1, 1, 1, 1}; }, Fields<real>{s, s_stride, v, v_stride, t, t_stride});
END

KERNEL(pull_inner, const int* RESTRICT turn, int capacity, real decay, real inverse_width,
       const real* RESTRICT centers, const int* RESTRICT group, const real4* RESTRICT geometry,
       const Gaussians::Row* RESTRICT basis, const Gaussians::Row* RESTRICT weights, const real* RESTRICT s,
       int s_stride, const real* RESTRICT v, int v_stride, const real* RESTRICT t, int t_stride, real4* RESTRICT pull)
  const int e = turn[thread], i = e / capacity;
  const real4 u = geometry[e];
  const Gaussians::Row value = basis[e], slope = Gaussians{decay, inverse_width, centers}.slope(real(1) / u.w, value);
  add(pull[e], pull_of<Densities>(i, u, value, slope, weights + place(group[e]) * Densities::all,
      [](int, int) { return real4{1, 1, 1, 1}; }, Fields<const real>{s, s_stride, v, v_stride, t, t_stride}));
END

// ---- of other grains' atoms: senders give by their class
KERNEL(gather_first, int atoms, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const int* RESTRICT kind, const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis,
       const Bessel::Row* RESTRICT weights, const real* RESTRICT given, real* RESTRICT s, int s_stride,
       real* RESTRICT v, int v_stride, real* RESTRICT t, int t_stride)
  const Task own = Task::by_kind<Densities>(thread, atoms);
  const int c = own.place_in<Densities>();
  const bool at_once = Fours<Densities>::whole && in_fours(given, Densities::all);
  const Entries<Bessel::Row> rows{capacity, count, geometry, basis};
  const Radial<Bessel::Row> radial(basis, weights + c, own.left);
  const auto sent = [&](place e) { return some(given + kind[sender[e]] * Densities::all + c, own.left, at_once); };
  gather<4>(own, rows, radial, sent, Fields<real>{s, s_stride, v, v_stride, t, t_stride});
END

// ---- of other grains' atoms once more: senders give features of their own, which have a gradient
KERNEL(gather_second, int atoms, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT given, real* RESTRICT s, int s_stride, real* RESTRICT v, int v_stride)
  const Task own = Task::by_kind<Pairs>(thread, atoms);
  const int c = own.place_in<Pairs>();
  const bool at_once = Fours<Pairs>::whole && in_fours(given, Pairs::all);
  const Entries<Bessel::Row> rows{capacity, count, geometry, basis};
  const Radial<Bessel::Row> radial(basis, weights + c, own.left);
  const auto sent = [&](place e) { return some(given + place(sender[e]) * Pairs::all + c, own.left, at_once); };
  gather<4>(own, rows, radial, sent, Fields<real>{s, s_stride, v, v_stride, nullptr, 0});
END

// both gatherings back to the entries; what belongs to the second one ends in 2
KERNEL(pull_outer, int capacity, real cutoff, real scale, const real* RESTRICT frequencies, const int* RESTRICT count,
       const int* RESTRICT sender, const int* RESTRICT kind, const real4* RESTRICT geometry,
       const Bessel::Row* RESTRICT weights, const real* RESTRICT given, const real* RESTRICT s, int s_stride,
       const real* RESTRICT v, int v_stride, const real* RESTRICT t, int t_stride,
       const Bessel::Row* RESTRICT weights2, const real* RESTRICT given2, const real* RESTRICT s2, int s2_stride,
       const real* RESTRICT v2, int v2_stride, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  const real4 u = geometry[thread];
  if (u.w == real(0)) return;
  Bessel::Row value, slope;
  Bessel::of(cutoff, scale, frequencies)(real(1) / u.w, u.w, value, slope);
  const int j = sender[thread];
  real4 sum = pull[thread];
  const real* own = given + kind[j] * Densities::all;
  const bool at_once = Fours<Densities>::whole && in_fours(given, Densities::all);
  add(sum, pull_of<Densities>(i, u, value, slope, weights, [&](int c, int left) { return some(own + c, left, at_once); },
      Fields<const real>{s, s_stride, v, v_stride, t, t_stride}));
  const real* own2 = given2 + place(j) * Pairs::all;
  const bool at_once2 = Fours<Pairs>::whole && in_fours(given2, Pairs::all);
  add(sum, pull_of<Pairs>(i, u, value, slope, weights2, [&](int c, int left) { return some(own2 + c, left, at_once2); },
      Fields<const real>{s2, s2_stride, v2, v2_stride, nullptr, 0}));
  pull[thread] = sum;
END

// a thread an atom and four channels: dE by its features. Who receives from it stands in its own row, the direction turned
// around
KERNEL(features_second, int atoms, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT s, int s_stride, const real* RESTRICT v, int v_stride, real* RESTRICT out)
  const Task own = Task::by_kind<Pairs>(thread, atoms);
  const int c = own.place_in<Pairs>(), from = own.channel;
  const place first = place(own.receiver) * capacity, last = first + count[own.receiver];
  const Radial<Bessel::Row> radial(basis, weights + c, own.left);
  real4 sum{0, 0, 0, 0};
  if (own.kind == 0) {
    const bool at_once = Fours<Pairs>::whole && in_fours(s, s_stride);
    AHEAD
    for (place e = first; e < last; e++)
      add_times(sum, times(radial(e), some(s + place(sender[e]) * s_stride + from, own.left, at_once)), real(1));
  } else {
    const bool at_once = Fours<Pairs>::whole && in_fours(v, v_stride);
    AHEAD
    for (place e = first; e < last; e++) {
      const real4 u = geometry[e];
      const real* g = v + place(sender[e]) * 3 * v_stride + from;
      real4 inward{0, 0, 0, 0};
      add_times(inward, some(g, own.left, at_once), u.x);
      add_times(inward, some(g + v_stride, own.left, at_once), u.y);
      add_times(inward, some(g + 2 * v_stride, own.left, at_once), u.z);
      add_times(sum, times(radial(e), inward), real(-1));
    }
  }
  put(out + place(own.receiver) * Pairs::all + c, own.left, sum);
END
