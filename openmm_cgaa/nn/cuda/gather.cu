// Sums over neighbours of radial functions times 1, u and the traceless square of u (six components), times what the sender
// gives; and the ways back. A radial function is a sum over a basis: weights [channels, basis], in rows of `Functions`.

template <int SCALARS, int VECTORS, int TENSORS> struct Widths {
  static constexpr int scalars = SCALARS, vectors = VECTORS, tensors = TENSORS, all = SCALARS + VECTORS + TENSORS;
  static constexpr int each = all > 0 ? all : 1;  // to divide by
};
typedef Widths<NS, NV, NT> Densities;  // of atoms' own grains, and of others' atoms
typedef Widths<PS, PV, 0> Pairs;       // of the second gathering

// rows of fixed capacity, with their geometry and basis
template <class Row> struct Entries {
  int capacity;
  const int *count, *sender;
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

// a thread a receiver and channel. `weight(e, c)` gives the weights of an entry, `sent(e, c)` what its sender gives
template <class Width, class Row, class Weight, class Sent>
DEVICE void gather(int thread, const Entries<Row>& rows, Weight weight, Sent sent, const Fields<real>& out) {
  const int i = thread / Width::each, c = thread - i * Width::each;
  const place first = place(i) * rows.capacity, last = first + rows.count[i];
  if (c < Width::scalars) {
    real sum = 0;
    for (place e = first; e < last; e++)
      if (rows.geometry[e].w != real(0)) sum += dot(rows.basis[e], weight(e, c)) * sent(e, c);
    out.s[place(i) * out.s_stride + c] = sum;
  } else if (c < Width::scalars + Width::vectors) {
    real sum[3] = {0, 0, 0};
    for (place e = first; e < last; e++) {
      const real4 u = rows.geometry[e];
      if (u.w == real(0)) continue;
      const real f = dot(rows.basis[e], weight(e, c)) * sent(e, c);
      sum[0] += f * u.x; sum[1] += f * u.y; sum[2] += f * u.z;
    }
    for (int q = 0; q < 3; q++) out.v[(place(i) * 3 + q) * out.v_stride + c - Width::scalars] = sum[q];
  } else {
    real sum[6] = {0, 0, 0, 0, 0, 0};
    for (place e = first; e < last; e++) {
      const real4 u = rows.geometry[e];
      if (u.w == real(0)) continue;
      const real f = dot(rows.basis[e], weight(e, c)) * sent(e, c), g = f * ROOT_2;
      sum[0] += f * (u.x * u.x - THIRD); sum[1] += f * (u.y * u.y - THIRD); sum[2] += f * (u.z * u.z - THIRD);
      sum[3] += g * u.x * u.y; sum[4] += g * u.x * u.z; sum[5] += g * u.y * u.z;
    }
    for (int q = 0; q < 6; q++) out.t[(place(i) * 6 + q) * out.t_stride + c - Width::scalars - Width::vectors] = sum[q];
  }
}

// of one entry of receiver i: dE by the way to its sender, from the gradients by the densities of i
template <class Width, class Row, class Sent>
DEVICE real4 pull_of(int i, const real4& u, const Row& value, const Row& slope, const Row* weight, Sent sent,
                     const Fields<const real>& grad) {
  real along = 0, px = 0, py = 0, pz = 0;
  const real* gs = grad.s + place(i) * grad.s_stride;
  for (int c = 0; c < Width::scalars; c++) along += dot(slope, weight[c]) * sent(c) * gs[c];
  for (int k = 0; k < Width::vectors; k++) {
    const int c = Width::scalars + k;
    const real* g = grad.v + place(i) * 3 * grad.v_stride + k;
    const real f = sent(c), x = f * g[0], y = f * g[grad.v_stride], z = f * g[2 * grad.v_stride];
    const real radial = dot(value, weight[c]);
    along += dot(slope, weight[c]) * (x * u.x + y * u.y + z * u.z);
    px += radial * x; py += radial * y; pz += radial * z;
  }
  for (int k = 0; k < Width::tensors; k++) {
    const int c = Width::scalars + Width::vectors + k;
    const real* g = grad.t + place(i) * 6 * grad.t_stride + k;
    const real f = sent(c), h = f / ROOT_2;
    const real xx = f * g[0], yy = f * g[grad.t_stride], zz = f * g[2 * grad.t_stride];
    const real xy = h * g[3 * grad.t_stride], xz = h * g[4 * grad.t_stride], yz = h * g[5 * grad.t_stride];
    const real x = xx * u.x + xy * u.y + xz * u.z, y = xy * u.x + yy * u.y + yz * u.z, z = xz * u.x + yz * u.y + zz * u.z;
    const real twice = real(2) * dot(value, weight[c]);
    along += dot(slope, weight[c]) * (x * u.x + y * u.y + z * u.z - (xx + yy + zz) * THIRD);
    px += twice * x; py += twice * y; pz += twice * z;
  }
  along -= (px * u.x + py * u.y + pz * u.z) * u.w;
  return {along * u.x + px * u.w, along * u.y + py * u.w, along * u.z + pz * u.w, 0};
}

DEVICE void add(real4& sum, const real4& more) { sum.x += more.x; sum.y += more.y; sum.z += more.z; }

// ---- inside of grains: weights by class of pair
KERNEL(gather_inner, int capacity, const int* RESTRICT count, const int* RESTRICT group,
       const real4* RESTRICT geometry, const Gaussians::Row* RESTRICT basis, const Gaussians::Row* RESTRICT weights,
       real* RESTRICT s, int s_stride, real* RESTRICT v, int v_stride, real* RESTRICT t, int t_stride)
  const Entries<Gaussians::Row> rows{capacity, count, nullptr, geometry, basis};
  const auto weight = [&](place e, int c) { return weights[place(group[e]) * Densities::all + c]; };
  const Fields<real> out{s, s_stride, v, v_stride, t, t_stride};
  gather<Densities>(thread, rows, weight, [](place, int) { return real(1); }, out);
END

KERNEL(pull_inner, int capacity, real decay, real inverse_width, const real* RESTRICT centers,
       const int* RESTRICT count, const int* RESTRICT group, const real4* RESTRICT geometry,
       const Gaussians::Row* RESTRICT weights, const real* RESTRICT s, int s_stride, const real* RESTRICT v,
       int v_stride, const real* RESTRICT t, int t_stride, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  const real4 u = geometry[thread];
  Gaussians::Row value, slope;
  Gaussians{decay, inverse_width, centers}(real(1) / u.w, value, slope);
  add(pull[thread], pull_of<Densities>(i, u, value, slope, weights + place(group[thread]) * Densities::all,
      [](int) { return real(1); }, Fields<const real>{s, s_stride, v, v_stride, t, t_stride}));
END

// ---- of other grains' atoms: senders give by their class
KERNEL(gather_first, int capacity, const int* RESTRICT count, const int* RESTRICT sender, const int* RESTRICT kind,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT given, real* RESTRICT s, int s_stride, real* RESTRICT v, int v_stride, real* RESTRICT t,
       int t_stride)
  const Entries<Bessel::Row> rows{capacity, count, sender, geometry, basis};
  const Bessel::Row own = weights[thread % Densities::each];
  const auto sent = [&](place e, int c) { return given[kind[sender[e]] * Densities::all + c]; };
  const Fields<real> out{s, s_stride, v, v_stride, t, t_stride};
  gather<Densities>(thread, rows, [&](place, int) { return own; }, sent, out);
END

KERNEL(pull_first, int capacity, real cutoff, real scale, const real* RESTRICT frequencies, const int* RESTRICT count,
       const int* RESTRICT sender, const int* RESTRICT kind, const real4* RESTRICT geometry,
       const Bessel::Row* RESTRICT weights, const real* RESTRICT given, const real* RESTRICT s, int s_stride,
       const real* RESTRICT v, int v_stride, const real* RESTRICT t, int t_stride, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  const real4 u = geometry[thread];
  if (u.w == real(0)) return;
  Bessel::Row value, slope;
  Bessel::of(cutoff, scale, frequencies)(real(1) / u.w, u.w, value, slope);
  const real* own = given + kind[sender[thread]] * Densities::all;
  add(pull[thread], pull_of<Densities>(i, u, value, slope, weights, [&](int c) { return own[c]; },
      Fields<const real>{s, s_stride, v, v_stride, t, t_stride}));
END

// ---- of other grains' atoms once more: senders give features of their own, which have a gradient
KERNEL(gather_second, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT given, real* RESTRICT s, int s_stride, real* RESTRICT v, int v_stride)
  const Entries<Bessel::Row> rows{capacity, count, sender, geometry, basis};
  const Bessel::Row own = weights[thread % Pairs::each];
  const auto sent = [&](place e, int c) { return given[place(sender[e]) * Pairs::all + c]; };
  gather<Pairs>(thread, rows, [&](place, int) { return own; }, sent, Fields<real>{s, s_stride, v, v_stride, nullptr, 0});
END

KERNEL(pull_second, int capacity, real cutoff, real scale, const real* RESTRICT frequencies, const int* RESTRICT count,
       const int* RESTRICT sender, const real4* RESTRICT geometry, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT given, const real* RESTRICT s, int s_stride, const real* RESTRICT v, int v_stride,
       real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  const real4 u = geometry[thread];
  if (u.w == real(0)) return;
  Bessel::Row value, slope;
  Bessel::of(cutoff, scale, frequencies)(real(1) / u.w, u.w, value, slope);
  const real* own = given + place(sender[thread]) * Pairs::all;
  add(pull[thread], pull_of<Pairs>(i, u, value, slope, weights, [&](int c) { return own[c]; },
      Fields<const real>{s, s_stride, v, v_stride, nullptr, 0}));
END

// a thread an atom and channel: dE by its features. Who receives from it stands in its own row, the direction turned around
KERNEL(features_second, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT s, int s_stride, const real* RESTRICT v, int v_stride, real* RESTRICT out)
  const int j = thread / Pairs::each, c = thread - j * Pairs::all;
  const place first = place(j) * capacity, last = first + count[j];
  const Bessel::Row own = weights[c];
  real sum = 0;
  for (place e = first; e < last; e++) {
    const real4 u = geometry[e];
    if (u.w == real(0)) continue;
    const real f = dot(basis[e], own);
    if (c < Pairs::scalars) sum += f * s[place(sender[e]) * s_stride + c];
    else {
      const real* g = v + place(sender[e]) * 3 * v_stride + c - Pairs::scalars;
      sum -= f * (u.x * g[0] + u.y * g[v_stride] + u.z * g[2 * v_stride]);
    }
  }
  out[thread] = sum;
END
