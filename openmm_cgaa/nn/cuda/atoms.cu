// What atoms make of their densities, and the ways back. Arrays are [n, c], vectors [n, 3, c], tensors [n, 6, c]; a `stride` is
// from one row of c numbers to the next. Tensors are in the six components of `gather`.

// f (a[first] b[second] + a[second] b[first]) contracts component q of a tensor with two vectors
DEVICE int first_of(int q) { return q < 3 ? q : q == 5 ? 1 : 0; }
DEVICE int second_of(int q) { return q < 3 ? q : q == 3 ? 1 : 2; }
DEVICE real factor_of(int q) { return q < 3 ? real(0.5) : real(0.70710678118654752440); }

// a thread an atom and channel: s | v . v | t . t
KERNEL(squares, const real* RESTRICT s, int s_stride, const real* RESTRICT v, int v_stride, const real* RESTRICT t,
       int t_stride, real* RESTRICT out)
  const int i = thread / Densities::all, c = thread - i * Densities::all;
  real found = 0;
  if (c < NS) found = s[place(i) * s_stride + c];
  else if (c < NS + NV)
    for (int q = 0; q < 3; q++) { const real x = v[(place(i) * 3 + q) * v_stride + c - NS]; found += x * x; }
  else
    for (int q = 0; q < 6; q++) { const real x = t[(place(i) * 6 + q) * t_stride + c - NS - NV]; found += x * x; }
  out[thread] = found;
END

// into the gradients by s, v and t, or if `adds` on top of what is there
KERNEL(squares_back, int adds, const real* RESTRICT v, int v_stride, const real* RESTRICT t, int t_stride,
       const real* RESTRICT grad, real* RESTRICT grad_s, int gs_stride, real* RESTRICT grad_v, int gv_stride,
       real* RESTRICT grad_t, int gt_stride)
  const int i = thread / Densities::all, c = thread - i * Densities::all;
  const real g = grad[thread];
  if (c < NS) {
    real* to = grad_s + place(i) * gs_stride + c;
    *to = (adds ? *to : real(0)) + g;
  } else if (c < NS + NV)
    for (int q = 0; q < 3; q++) {
      const place row = place(i) * 3 + q;
      real* to = grad_v + row * gv_stride + c - NS;
      *to = (adds ? *to : real(0)) + real(2) * g * v[row * v_stride + c - NS];
    }
  else
    for (int q = 0; q < 6; q++) {
      const place row = place(i) * 6 + q;
      real* to = grad_t + row * gt_stride + c - NS - NV;
      *to = (adds ? *to : real(0)) + real(2) * g * t[row * t_stride + c - NS - NV];
    }
END

// Products of mixed densities, times `receive` of the atom's kind, [2 NS | 2 NV | 2 NT | 2 NT]:
// s | left . right | one . other | left of tensors . one . right of tensors.
// `v` holds left | right [2 NV each] | left | right of tensors [2 NT each], `t` one | other [2 NT each].
struct Invariants { enum { s = 2 * NS, v = 2 * NV, t = 2 * NT, all = s + v + 2 * t }; };

KERNEL(invariants, const int* RESTRICT kind, const real* RESTRICT receive, const real* RESTRICT s,
       const real* RESTRICT v, int v_stride, const real* RESTRICT t, real* RESTRICT out)
  const int i = thread / Invariants::all, c = thread - i * Invariants::all;
  const real* vectors = v + place(i) * 3 * v_stride;
  real found = 0;
  if (c < Invariants::s) found = s[place(i) * Invariants::s + c];
  else if (c < Invariants::s + Invariants::v) {
    const real *left = vectors + c - Invariants::s, *right = left + Invariants::v;
    for (int q = 0; q < 3; q++) found += left[q * v_stride] * right[q * v_stride];
  } else {
    const bool triple = c >= Invariants::s + Invariants::v + Invariants::t;
    const int k = c - Invariants::s - Invariants::v - (triple ? Invariants::t : 0);
    const real* one = t + place(i) * 12 * Invariants::t + k;
    const real *left = vectors + 2 * Invariants::v + k, *right = left + Invariants::t;
    for (int q = 0; q < 6; q++) {
      const int a = first_of(q) * v_stride, b = second_of(q) * v_stride;
      const real other = triple ? factor_of(q) * (left[a] * right[b] + left[b] * right[a])
                                : one[q * 2 * Invariants::t + Invariants::t];
      found += one[q * 2 * Invariants::t] * other;
    }
  }
  out[thread] = found * receive[place(kind[i]) * Invariants::all + c];
END

// a thread an atom and a scalar, vector or tensor channel: all that its products give back
KERNEL(invariants_back, const int* RESTRICT kind, const real* RESTRICT receive, const real* RESTRICT grad,
       const real* RESTRICT v, int v_stride, const real* RESTRICT t, real* RESTRICT grad_s, real* RESTRICT grad_v,
       real* RESTRICT grad_t)
  const int width = Invariants::s + Invariants::v + Invariants::t, i = thread / width, c = thread - i * width;
  const real *g = grad + place(i) * Invariants::all, *r = receive + place(kind[i]) * Invariants::all;
  const place row = place(i) * 3 * v_stride;
  if (c < Invariants::s) grad_s[place(i) * Invariants::s + c] = g[c] * r[c];
  else if (c < Invariants::s + Invariants::v) {
    const place left = row + c - Invariants::s, right = left + Invariants::v;
    for (int q = 0; q < 3; q++) {
      grad_v[left + q * v_stride] = g[c] * r[c] * v[right + q * v_stride];
      grad_v[right + q * v_stride] = g[c] * r[c] * v[left + q * v_stride];
    }
  } else {
    const int k = c - Invariants::s - Invariants::v, product = c, triple = c + Invariants::t;
    const real by_product = g[product] * r[product], by_triple = g[triple] * r[triple];
    const place left = row + 2 * Invariants::v + k, right = left + Invariants::t, one = place(i) * 12 * Invariants::t + k;
    real by_left[3] = {0, 0, 0}, by_right[3] = {0, 0, 0}, l[3], m[3];
    for (int q = 0; q < 3; q++) { l[q] = v[left + q * v_stride]; m[q] = v[right + q * v_stride]; }
    UNROLL
    for (int q = 0; q < 6; q++) {
      const int a = first_of(q), b = second_of(q);
      const place here = one + q * 2 * Invariants::t;
      const real square = factor_of(q) * (l[a] * m[b] + l[b] * m[a]), part = by_triple * factor_of(q) * t[here];
      by_left[a] += part * m[b]; by_left[b] += part * m[a];
      by_right[a] += part * l[b]; by_right[b] += part * l[a];
      grad_t[here] = by_product * t[here + Invariants::t] + by_triple * square;
      grad_t[here + Invariants::t] = by_product * t[here];
    }
    for (int q = 0; q < 3; q++) { grad_v[left + q * v_stride] = by_left[q]; grad_v[right + q * v_stride] = by_right[q]; }
  }
END

// a thread a row and channel of `width`: v . v and v . w
KERNEL(products, int width, const real* RESTRICT v, int v_stride, const real* RESTRICT w, int w_stride,
       real* RESTRICT square, int square_stride, real* RESTRICT product, int product_stride)
  const int i = thread / width, k = thread - i * width;
  real vv = 0, vw = 0;
  for (int q = 0; q < 3; q++) {
    const real x = v[(place(i) * 3 + q) * v_stride + k];
    vv += x * x;
    vw += x * w[(place(i) * 3 + q) * w_stride + k];
  }
  square[place(i) * square_stride + k] = vv;
  product[place(i) * product_stride + k] = vw;
END

KERNEL(products_back, int width, const real* RESTRICT v, int v_stride, const real* RESTRICT w, int w_stride,
       const real* RESTRICT grad_square, int square_stride, const real* RESTRICT grad_product, int product_stride,
       real* RESTRICT grad_v, int gv_stride, real* RESTRICT grad_w, int gw_stride)
  const int i = thread / width, k = thread - i * width;
  const real by_square = grad_square[place(i) * square_stride + k], by_product = grad_product[place(i) * product_stride + k];
  for (int q = 0; q < 3; q++) {
    const place row = place(i) * 3 + q;
    const real x = v[row * v_stride + k];
    grad_v[row * gv_stride + k] = real(2) * by_square * x + by_product * w[row * w_stride + k];
    grad_w[row * gw_stride + k] = by_product * x;
  }
END
