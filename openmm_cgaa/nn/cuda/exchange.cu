// Messages between grains, and the ways back. Radial functions are those of scalars [GS], of vectors along the edge [GV], of
// scalars times the edge [GV], and of vectors [GV]. A sender gives `sent` [GS | GV] and `vectors` [3, carried | dotted].
enum { ALONG = GS, TIMES = GS + GV, CARRY = GS + 2 * GV, GIVEN = GS + GV };

// a thread a grain and channel of `sent`: what it gets, scalars [GS | GV] and vectors [3, GV]
KERNEL(exchange, int capacity, const int* RESTRICT count, const int* RESTRICT sender, const real4* RESTRICT geometry,
       const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights, const real* RESTRICT sent,
       const real* RESTRICT vectors, real* RESTRICT got, int got_stride, real* RESTRICT got_vectors, int gv_stride)
  const int i = thread / GIVEN, c = thread - i * GIVEN, k = c - GS;
  const place first = place(i) * capacity, last = first + count[i];
  real sum = 0, way[3] = {0, 0, 0};
  for (place e = first; e < last; e++) {
    const real4 u = geometry[e];
    if (u.w == real(0)) continue;
    const Bessel::Row b = basis[e];
    const real given = sent[place(sender[e]) * GIVEN + c];
    if (c < GS) { sum += dot(b, weights[c]) * given; continue; }
    const real along[3] = {u.x, u.y, u.z}, times = dot(b, weights[TIMES + k]) * given, carry = dot(b, weights[CARRY + k]);
    real inward = 0;
    for (int q = 0; q < 3; q++) {
      const real* from = vectors + (place(sender[e]) * 3 + q) * 2 * GV + k;
      way[q] += times * along[q] + carry * from[0];
      inward += along[q] * from[GV];
    }
    sum += dot(b, weights[ALONG + k]) * inward;
  }
  got[place(i) * got_stride + c] = sum;
  if (c >= GS) for (int q = 0; q < 3; q++) got_vectors[(place(i) * 3 + q) * gv_stride + k] = way[q];
END

// a thread an entry: dE by the way to the sender, on top of what another layer found
KERNEL(exchange_pull, int adds, int capacity, real cutoff, const real* RESTRICT frequencies, const int* RESTRICT count,
       const int* RESTRICT sender, const real4* RESTRICT geometry, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT sent, const real* RESTRICT vectors, const real* RESTRICT grad, int g_stride,
       const real* RESTRICT grad_vectors, int gv_stride, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  if (!adds) pull[thread] = {0, 0, 0, 0};
  const real4 u = geometry[thread];
  if (u.w == real(0)) return;
  Bessel::Row value, slope;
  Bessel::of(cutoff, real(1), frequencies)(real(1) / u.w, u.w, value, slope);
  const real *given = sent + place(sender[thread]) * GIVEN, *wanted = grad + place(i) * g_stride;
  real size = 0, p[3] = {0, 0, 0};
  for (int c = 0; c < GS; c++) size += dot(slope, weights[c]) * given[c] * wanted[c];
  for (int k = 0; k < GV; k++) {
    const real* from = vectors + place(sender[thread]) * 6 * GV + k;
    const real* to = grad_vectors + place(i) * 3 * gv_stride + k;
    const real carried[3] = {from[0], from[2 * GV], from[4 * GV]}, dotted[3] = {from[GV], from[3 * GV], from[5 * GV]};
    const real g[3] = {to[0], to[gv_stride], to[2 * gv_stride]}, along[3] = {u.x, u.y, u.z};
    real inward = 0, outward = 0, both = 0;
    for (int q = 0; q < 3; q++) { inward += along[q] * dotted[q]; outward += along[q] * g[q]; both += carried[q] * g[q]; }
    size += dot(slope, weights[ALONG + k]) * wanted[GS + k] * inward + dot(slope, weights[TIMES + k]) * given[GS + k] * outward
          + dot(slope, weights[CARRY + k]) * both;
    const real a = dot(value, weights[ALONG + k]) * wanted[GS + k], b = dot(value, weights[TIMES + k]) * given[GS + k];
    for (int q = 0; q < 3; q++) p[q] += a * dotted[q] + b * g[q];
  }
  size -= (p[0] * u.x + p[1] * u.y + p[2] * u.z) * u.w;
  add(pull[thread], {size * u.x + p[0] * u.w, size * u.y + p[1] * u.w, size * u.z + p[2] * u.w, 0});
END

// a thread a grain and channel of `sent`: dE by what it gives, to those of its own row, the direction turned around
KERNEL(exchange_back, int capacity, const int* RESTRICT count, const int* RESTRICT sender,
       const real4* RESTRICT geometry, const Bessel::Row* RESTRICT basis, const Bessel::Row* RESTRICT weights,
       const real* RESTRICT grad, int g_stride, const real* RESTRICT grad_vectors, int gv_stride,
       real* RESTRICT grad_sent, real* RESTRICT grad_given)
  const int j = thread / GIVEN, c = thread - j * GIVEN, k = c - GS;
  const place first = place(j) * capacity, last = first + count[j];
  real sum = 0, carried[3] = {0, 0, 0}, dotted[3] = {0, 0, 0};
  for (place e = first; e < last; e++) {
    const real4 u = geometry[e];
    if (u.w == real(0)) continue;
    const Bessel::Row b = basis[e];
    const real wanted = grad[place(sender[e]) * g_stride + c];
    if (c < GS) { sum += dot(b, weights[c]) * wanted; continue; }
    const real along[3] = {-u.x, -u.y, -u.z}, dot_by = dot(b, weights[ALONG + k]) * wanted, carry = dot(b, weights[CARRY + k]);
    real outward = 0;
    for (int q = 0; q < 3; q++) {
      const real g = grad_vectors[(place(sender[e]) * 3 + q) * gv_stride + k];
      outward += along[q] * g;
      carried[q] += carry * g;
      dotted[q] += dot_by * along[q];
    }
    sum += dot(b, weights[TIMES + k]) * outward;
  }
  grad_sent[thread] = sum;
  if (c >= GS) for (int q = 0; q < 3; q++) {
    real* to = grad_given + (place(j) * 3 + q) * 2 * GV + k;
    to[0] = carried[q];
    to[GV] = dotted[q];
  }
END

// a thread a grain and channel of `update` [GS | gates GV]: new scalars and vectors
KERNEL(updated, const real* RESTRICT s, int s_stride, const real* RESTRICT v, int v_stride,
       const real* RESTRICT update, const real* RESTRICT mixed, real* RESTRICT new_s, int ns_stride,
       real* RESTRICT new_v, int nv_stride)
  const int g = thread / GIVEN, c = thread - g * GIVEN, k = c - GS;
  if (c < GS) new_s[place(g) * ns_stride + c] = s[place(g) * s_stride + c] + update[thread];
  else {
    const real gate = sigmoid(update[thread]);
    for (int q = 0; q < 3; q++) {
      const place row = place(g) * 3 + q;
      new_v[row * nv_stride + k] = v[row * v_stride + k] + mixed[row * GV + k] * gate;
    }
  }
END

KERNEL(updated_back, const real* RESTRICT update, const real* RESTRICT mixed, const real* RESTRICT grad_s,
       int gs_stride, const real* RESTRICT grad_v, int gv_stride, real* RESTRICT grad_update,
       real* RESTRICT grad_mixed)
  const int g = thread / GIVEN, c = thread - g * GIVEN, k = c - GS;
  if (c < GS) { grad_update[thread] = grad_s[place(g) * gs_stride + c]; return; }
  const real gate = sigmoid(update[thread]);
  real sum = 0;
  for (int q = 0; q < 3; q++) {
    const place row = place(g) * 3 + q;
    sum += grad_v[row * gv_stride + k] * mixed[row * GV + k];
    grad_mixed[row * GV + k] = grad_v[row * gv_stride + k] * gate;
  }
  grad_update[thread] = sum * gate * (real(1) - gate);
END
