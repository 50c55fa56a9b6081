// Linear maps of rows, with what goes along: a bias, what is there already, the activation, its slope. A pointer may be null.
// Weights are [inputs, outputs], outputs filled up to a multiple of four; a thread makes four outputs of one row or several.

// sum += x[0 .. 3] of a row times four rows of weights
DEVICE void multiply(real4& sum, const real4& x, const real4* w) {
  UNROLL
  for (int k = 0; k < 4; k++) {
    const real value = part(x, k);
    sum.x += value * w[k].x; sum.y += value * w[k].y; sum.z += value * w[k].z; sum.w += value * w[k].w;
  }
}

// sums of `TILE` rows from `first` on, those of the last row where there is none; the order of terms is that of the inputs
template <int TILE> DEVICE void map_rows(real4* sum, int first, int rows, int inputs, const real* x, int stride,
                                         const real4* weights, int quads) {
  const bool at_once = in_fours(x, stride);
  int away[TILE];
  UNROLL
  for (int n = 0; n < TILE; n++) {
    sum[n] = {0, 0, 0, 0};
    away[n] = (first + n < rows ? n : rows - 1 - first) * stride;
  }
  const real* from = x + place(first) * stride;
  const int whole = inputs / 4 * 4;
  UNROLL_BY((TILE == 1 ? 4 : TILE == 2 ? 2 : 1))
  for (int k = 0; k < whole; k += 4) {
    real4 w[4];
    UNROLL
    for (int m = 0; m < 4; m++) w[m] = weights[(k + m) * quads];
    UNROLL
    for (int n = 0; n < TILE; n++) multiply(sum[n], four(from + away[n] + k, at_once), w);
  }
  for (int k = whole; k < inputs; k++) {
    const real4 w = weights[k * quads];
    UNROLL
    for (int n = 0; n < TILE; n++) {
      const real value = from[away[n] + k];
      sum[n].x += value * w.x; sum[n].y += value * w.y; sum[n].z += value * w.z; sum[n].w += value * w.w;
    }
  }
}

struct Mapped {
  int rows, outputs;
  const real* bias; int bias_stride; const int* bias_of;
  const real* added; int added_stride;
  const real* before; int before_stride;
  real* out; int out_stride;
  real* active; int active_stride;
  DEVICE void operator()(const real4& sum, int r, int quad) const {
    UNROLL
    for (int o = 0; o < 4; o++) {
      const int c = 4 * quad + o;
      if (r >= rows || c >= outputs) continue;
      real value = part(sum, o);
      if (bias) value += bias[place(bias_of ? bias_of[r] : 0) * bias_stride + c];
      if (added) value += added[place(r) * added_stride + c];
      if (before) value *= silu_slope(before[place(r) * before_stride + c]);
      if (out) out[place(r) * out_stride + c] = value;
      if (active) active[place(r) * active_stride + c] = silu(value);
    }
  }
};

template <int TILE> DEVICE void map_and_tell(int thread, int inputs, const real* x, int x_stride, const real4* weights,
                                             const Mapped& tell) {
  const int quads = (tell.outputs + 3) / 4, quad = thread % quads, first = thread / quads * TILE;
  real4 sum[TILE];
  map_rows<TILE>(sum, first, tell.rows, inputs, x, x_stride, weights + quad, quads);
  UNROLL
  for (int n = 0; n < TILE; n++) tell(sum[n], first + n, quad);
}

// one map for all rows, of which a thread makes `tile`: few rows want many threads, many rows few reads of the weights.
// `bias_of` names the row of `bias`, where it is not the first for all
KERNEL(linear, int tile, int rows, int inputs, int outputs, const real* RESTRICT x, int x_stride,
       const real4* RESTRICT weights, const real* RESTRICT bias, int bias_stride, const int* RESTRICT bias_of,
       const real* added, int added_stride, const real* RESTRICT before, int before_stride, real* out, int out_stride,
       real* RESTRICT active, int active_stride)
  const Mapped tell{rows, outputs, bias, bias_stride, bias_of, added, added_stride, before, before_stride,
                    out, out_stride, active, active_stride};
  if (tile == 1) map_and_tell<1>(thread, inputs, x, x_stride, weights, tell);
  else if (tile == 2) map_and_tell<2>(thread, inputs, x, x_stride, weights, tell);
  else map_and_tell<4>(thread, inputs, x, x_stride, weights, tell);
END

// a map of its own for each kind of row; a thread a row and four outputs
KERNEL(linear_by_kind, int rows, int inputs, int outputs, const int* RESTRICT kind, const real* RESTRICT x, int x_stride,
       const real4* RESTRICT weights, const real* RESTRICT bias, real* RESTRICT out, int out_stride,
       real* RESTRICT active)
  const int quads = (outputs + 3) / 4, r = thread / quads, quad = thread - r * quads;
  real4 sum[1];
  map_rows<1>(sum, r, rows, inputs, x, x_stride, weights + place(kind[r]) * inputs * quads + quad, quads);
  Mapped{rows, outputs, bias, outputs, kind, nullptr, 0, nullptr, 0, out, out_stride, active, out_stride}(sum[0], r, quad);
END

// a thread a row: the energy that activations times weights are; the gradient by what is activated takes its place
KERNEL(energies, int width, real* RESTRICT x, int x_stride, const real* RESTRICT weights, const real* RESTRICT bias,
       real* RESTRICT energy)
  enum { AT_ONCE = 8 };  // what a thread writes and reads in turns it waits for
  real sum = bias[0], *own = x + place(thread) * x_stride;
  for (int k = 0; k < width; k += AT_ONCE) {
    real at[AT_ONCE], by[AT_ONCE];
    UNROLL
    for (int m = 0; m < AT_ONCE; m++) {
      const bool there = k + m < width;
      at[m] = there ? own[k + m] : real(0);
      by[m] = there ? weights[k + m] : real(0);
    }
    UNROLL
    for (int m = 0; m < AT_ONCE; m++) {
      if (k + m >= width) continue;
      sum += silu(at[m]) * by[m];
      own[k + m] = silu_slope(at[m]) * by[m];
    }
  }
  energy[thread] = sum;
END
