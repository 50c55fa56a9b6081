// Linear maps of rows, with what goes along: a bias, what is there already, the activation, its slope. A pointer may be null.
// Weights are [inputs, outputs], outputs filled up to a multiple of four; a thread makes four outputs of `TILE` rows.
enum { TILE = 4 };

// one map for all rows; `bias_of` names the row of `bias`, where it is not the first for all
KERNEL(linear, int rows, int inputs, int outputs, const real* RESTRICT x, int x_stride, const real4* RESTRICT weights,
       const real* RESTRICT bias, int bias_stride, const int* RESTRICT bias_of, const real* added, int added_stride,
       const real* RESTRICT before, int before_stride, real* out, int out_stride, real* RESTRICT active,
       int active_stride)
  const int quads = (outputs + 3) / 4, quad = thread % quads, first = thread / quads * TILE;
  real sum[TILE][4];
  UNROLL
  for (int n = 0; n < TILE; n++)
    UNROLL
    for (int o = 0; o < 4; o++) sum[n][o] = 0;
  for (int k = 0; k < inputs; k++) {
    const real4 w = weights[k * quads + quad];
    UNROLL
    for (int n = 0; n < TILE; n++) {
      const real value = x[place(first + n < rows ? first + n : rows - 1) * x_stride + k];
      sum[n][0] += value * w.x; sum[n][1] += value * w.y; sum[n][2] += value * w.z; sum[n][3] += value * w.w;
    }
  }
  UNROLL
  for (int n = 0; n < TILE; n++) {
    UNROLL
    for (int o = 0; o < 4; o++) {
      const int r = first + n, c = 4 * quad + o;
      if (r >= rows || c >= outputs) continue;
      real value = sum[n][o];
      if (bias) value += bias[place(bias_of ? bias_of[r] : 0) * bias_stride + c];
      if (added) value += added[place(r) * added_stride + c];
      if (before) value *= silu_slope(before[place(r) * before_stride + c]);
      if (out) out[place(r) * out_stride + c] = value;
      if (active) active[place(r) * active_stride + c] = silu(value);
    }
  }
END

// a map of its own for each kind of row; a thread a row and four outputs
KERNEL(linear_by_kind, int inputs, int outputs, const int* RESTRICT kind, const real* RESTRICT x, int x_stride,
       const real4* RESTRICT weights, const real* RESTRICT bias, real* RESTRICT out, int out_stride,
       real* RESTRICT active)
  const int quads = (outputs + 3) / 4, r = thread / quads, quad = thread - r * quads;
  const real4* own = weights + place(kind[r]) * inputs * quads + quad;
  real sum[4] = {0, 0, 0, 0};
  for (int k = 0; k < inputs; k++) {
    const real4 w = own[k * quads];
    const real value = x[place(r) * x_stride + k];
    sum[0] += value * w.x; sum[1] += value * w.y; sum[2] += value * w.z; sum[3] += value * w.w;
  }
  UNROLL
  for (int o = 0; o < 4; o++) {
    const int c = 4 * quad + o;
    if (c >= outputs) continue;
    const real value = sum[o] + (bias ? bias[kind[r] * outputs + c] : real(0));
    out[place(r) * out_stride + c] = value;
    if (active) active[place(r) * out_stride + c] = silu(value);
  }
END

// a thread a row: the energy that activations times weights are; the gradient by what is activated takes its place
KERNEL(energies, int width, real* RESTRICT x, int x_stride, const real* RESTRICT weights, const real* RESTRICT bias,
       real* RESTRICT energy)
  real sum = bias[0], *own = x + place(thread) * x_stride;
  for (int k = 0; k < width; k++) {
    sum += silu(own[k]) * weights[k];
    own[k] = silu_slope(own[k]) * weights[k];
  }
  energy[thread] = sum;
END
