// Up from the atoms into their grains and down again, and the ways back. Atoms of grain g are first[g] to first[g + 1];
// `relative` is the way from a grain's center to an atom, `share` the inverse root of its size.
enum { GRAIN = GV > 0 ? GV : 1 };  // to divide by
DEVICE real share_of(const int* first, int g) { return real(1) / sqrt(real(first[g + 1] - first[g])); }

// a thread a grain and channel: h times the pool's weights of each kind, [hidden], and vectors, [3, GV]
KERNEL(pooled, int hidden, const int* RESTRICT first, const int* RESTRICT kind, const real* RESTRICT weights,
       const real* RESTRICT h, int h_stride, const real* RESTRICT v, int v_stride, const real* RESTRICT dipole,
       const real* RESTRICT relative, real* RESTRICT out, real* RESTRICT out_vectors, int ov_stride)
  const int g = thread / (hidden + GV), c = thread - g * (hidden + GV), k = c - hidden;
  const real share = share_of(first, g);
  if (c < hidden) {
    real sum = 0;
    for (int i = first[g]; i < first[g + 1]; i++) sum += h[place(i) * h_stride + c] * weights[kind[i] * hidden + c];
    out[place(g) * hidden + c] = sum * share;
  } else
    for (int q = 0; q < 3; q++) {
      real sum = 0;
      for (int i = first[g]; i < first[g + 1]; i++)
        sum += v[(place(i) * 3 + q) * v_stride + k] + dipole[place(i) * GV + k] * relative[place(i) * 3 + q];
      out_vectors[(place(g) * 3 + q) * ov_stride + k] = sum * share;
    }
END

// a thread an atom and channel: on top of the gradient by h; into those by v and by the dipole
KERNEL(pooled_back, int hidden, const int* RESTRICT first, const int* RESTRICT owner, const int* RESTRICT kind,
       const real* RESTRICT weights, const real* RESTRICT relative, const real* RESTRICT grad,
       const real* RESTRICT grad_vectors, int gg_stride, real* RESTRICT grad_h, int gh_stride, real* RESTRICT grad_v,
       int gv_stride, real* RESTRICT grad_dipole)
  const int i = thread / (hidden + GV), c = thread - i * (hidden + GV), k = c - hidden, g = owner[i];
  const real share = share_of(first, g);
  if (c < hidden) grad_h[place(i) * gh_stride + c] += grad[place(g) * hidden + c] * share * weights[kind[i] * hidden + c];
  else {
    real by_dipole = 0;
    for (int q = 0; q < 3; q++) {
      const real way = grad_vectors[(place(g) * 3 + q) * gg_stride + k] * share;
      grad_v[(place(i) * 3 + q) * gv_stride + k] = way;
      by_dipole += way * relative[place(i) * 3 + q];
    }
    grad_dipole[place(i) * GV + k] = by_dipole;
  }
END

// a thread an atom and vector channel: the grain's vectors times its own, and times the way from the center
KERNEL(lowered, const int* RESTRICT owner, const real* RESTRICT of_grain, int og_stride, const real* RESTRICT v,
       int v_stride, const real* RESTRICT relative, real* RESTRICT dots, int dots_stride, real* RESTRICT ways,
       int ways_stride)
  const int i = thread / GRAIN, k = thread - i * GRAIN;
  real dot = 0, way = 0;
  for (int q = 0; q < 3; q++) {
    const real x = of_grain[(place(owner[i]) * 3 + q) * og_stride + k];
    dot += x * v[(place(i) * 3 + q) * v_stride + k];
    way += x * relative[place(i) * 3 + q];
  }
  dots[place(i) * dots_stride + k] = dot;
  ways[place(i) * ways_stride + k] = way;
END

// a thread a grain and channel: gradients by what it adds to its atoms, [hidden], and by its vectors, [3, GV]
KERNEL(lowered_back, int hidden, const int* RESTRICT first, const real* RESTRICT v, int v_stride,
       const real* RESTRICT relative, const real* RESTRICT grad, int g_stride, const real* RESTRICT grad_dots,
       int dots_stride, const real* RESTRICT grad_ways, int ways_stride, real* RESTRICT grad_down,
       real* RESTRICT grad_vectors, int gg_stride)
  const int g = thread / (hidden + GV), c = thread - g * (hidden + GV), k = c - hidden;
  if (c < hidden) {
    real sum = 0;
    for (int i = first[g]; i < first[g + 1]; i++) sum += grad[place(i) * g_stride + c];
    grad_down[place(g) * hidden + c] = sum;
  } else
    for (int q = 0; q < 3; q++) {
      real sum = 0;
      for (int i = first[g]; i < first[g + 1]; i++)
        sum += grad_dots[place(i) * dots_stride + k] * v[(place(i) * 3 + q) * v_stride + k]
             + grad_ways[place(i) * ways_stride + k] * relative[place(i) * 3 + q];
      grad_vectors[(place(g) * 3 + q) * gg_stride + k] = sum;
    }
END

// a thread an atom and vector channel: into the gradient by its vectors that the grain's were multiplied with
KERNEL(lowered_vectors, const int* RESTRICT owner, const real* RESTRICT of_grain, int og_stride,
       const real* RESTRICT grad_dots, int dots_stride, real* RESTRICT grad_v, int gv_stride)
  const int i = thread / GRAIN, k = thread - i * GRAIN;
  for (int q = 0; q < 3; q++)
    grad_v[(place(i) * 3 + q) * gv_stride + k] =
        grad_dots[place(i) * dots_stride + k] * of_grain[(place(owner[i]) * 3 + q) * og_stride + k];
END

// a thread an atom: dE by the way from the center, on which `pooled` and `lowered` depend
KERNEL(relative_back, const int* RESTRICT first, const int* RESTRICT owner, const real* RESTRICT dipole,
       const real* RESTRICT grad_pooled, int gp_stride, const real* RESTRICT of_grain, int og_stride,
       const real* RESTRICT grad_ways, int ways_stride, real* RESTRICT grad_relative)
  const int g = owner[thread];
  const real share = share_of(first, g);
  for (int q = 0; q < 3; q++) {
    real sum = 0;
    for (int k = 0; k < GV; k++)
      sum += grad_pooled[(place(g) * 3 + q) * gp_stride + k] * share * dipole[place(thread) * GV + k]
           + grad_ways[place(thread) * ways_stride + k] * of_grain[(place(g) * 3 + q) * og_stride + k];
    grad_relative[place(thread) * 3 + q] = sum;
  }
END
