// Where the neighbours in a row are, and their radial basis. Distances are differences of doubles, all else is `real`. An entry
// has a direction and the inverse distance. Beyond the cutoff all of it is zero, and so is what it adds to a sum.

// sqrt(2 / cutoff) sin(n pi r / cutoff) / r times the envelope, and slopes. In registers: a table of radial functions would be
// read at another place by each thread of a warp, but weights on a basis are read at the same.
struct Bessel {
  typedef Functions<NB> Row;
  const real* frequencies;
  real per_area, amplitude;
  static DEVICE Bessel of(real cutoff, real scale, const real* frequencies) {
    return {frequencies, real(1) / (cutoff * cutoff), scale * sqrt(real(2) / cutoff)};
  }
  // sine and cosine of 0 to pi, by their series around pi / 2
  static DEVICE void sine_cosine(real angle, real& sine, real& cosine) {
    const real x = angle - real(1.57079632679489661923), square = x * x;
    real even = 1, odd = 1;
    for (int n = sizeof(real) == 4 ? 7 : 12; n > 0; n--) {
      even = real(1) - even * square * (real(1) / real(2 * n * (2 * n - 1)));
      odd = real(1) - odd * square * (real(1) / real(2 * n * (2 * n + 1)));
    }
    sine = even;
    cosine = -x * odd;
  }
  DEVICE void operator()(real r, real inverse, Row& value, Row& slope) const {
    const real omega = frequencies[0];
    real s, c, last_s = 0, last_c = 1;
    sine_cosine(omega * r, s, c);
    const real twice = real(2) * c, inside = real(1) - r * r * per_area;
    const real height = amplitude * inside * inside * inside * inverse;
    const real height_slope = -height * inverse - real(6) * amplitude * inside * inside * per_area;
    for (int k = 0; k < Row::room; k++) {
      value.of[k] = slope.of[k] = 0;
      if (k >= Row::size) continue;
      // multiples of the first frequency; in double precision those of the network, which may be rounded to single
      const real small = sizeof(real) == 8 ? (frequencies[k] - real(k + 1) * omega) * r : real(0);
      const real near_one = real(1) - real(0.5) * small * small, sine = s * near_one + small * c;
      value.of[k] = height * sine;
      slope.of[k] = height_slope * sine + height * frequencies[k] * (c * near_one - small * s);
      const real next_s = twice * s - last_s, next_c = twice * c - last_c;
      last_s = s; s = next_s;
      last_c = c; c = next_c;
    }
  }
};

// Gaussians in exp(-r / decay) around `centers`
struct Gaussians {
  typedef Functions<NG> Row;
  real decay, inverse_width;
  const real* centers;
  DEVICE void operator()(real r, Row& value, Row& slope) const {
    const real u = exp(-r / decay), per_decay = inverse_width * u / decay;
    for (int k = 0; k < Row::room; k++) {
      value.of[k] = slope.of[k] = 0;
      if (k >= Row::size) continue;
      const real away = (u - centers[k]) * inverse_width;
      value.of[k] = exp(real(-0.5) * away * away);
      slope.of[k] = value.of[k] * away * per_decay;
    }
  }
  DEVICE Row slope(real r, const Row& value) const {
    const real u = exp(-r / decay), per_decay = inverse_width * u / decay;
    Row found;
    for (int k = 0; k < Row::room; k++)
      found.of[k] = k < Row::size ? value.of[k] * (u - centers[k]) * inverse_width * per_decay : real(0);
    return found;
  }
};

// direction and inverse distance; exactly turned around for the way back
DEVICE real4 direction(const double* x, int i, int j, int image, const double* box, real& r) {
  real d[3];
  for (int q = 0; q < 3; q++) d[q] = real((x[3 * j + q] - x[3 * i + q]) + shift_of(image, box, q));
  r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  const real inverse = real(1) / r;
  return {d[0] * inverse, d[1] * inverse, d[2] * inverse, inverse};
}

// what the wall does to an entry: dE by the way to the sender, and half of the energy of the pair
DEVICE real4 wall_of(real beyond, real side, real height, const real4& to) {
  if (!(beyond > real(0))) return {0, 0, 0, 0};
  const real along = side * real(1.5) * height * beyond * beyond;
  return {along * to.x, along * to.y, along * to.z, real(0.5) * height * beyond * beyond * beyond};
}

// a thread an entry: atoms of other grains; `pull` begins with the walls between elements
KERNEL(atom_rows, int capacity, real cutoff, real scale, const real* RESTRICT frequencies, real height, int elements,
       const double* RESTRICT x, const double* RESTRICT box, const int* RESTRICT count, const int* RESTRICT sender,
       const int* RESTRICT image, const int* RESTRICT element, const real* RESTRICT shortest, real4* RESTRICT geometry,
       Bessel::Row* RESTRICT basis, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  real r;
  const int j = sender[thread];
  const real4 to = direction(x, i, j, image[thread], box, r);
  if (r >= cutoff) { geometry[thread] = pull[thread] = {0, 0, 0, 0}; basis[thread] = {}; return; }
  Bessel::Row value, slope;
  Bessel::of(cutoff, scale, frequencies)(r, to.w, value, slope);
  geometry[thread] = to;
  basis[thread] = value;
  pull[thread] = wall_of(shortest[element[i] * elements + element[j]] - r, -1, height, to);
END

// a thread an entry: centers of grains
KERNEL(grain_rows, int capacity, real cutoff, const real* RESTRICT frequencies, const double* RESTRICT x,
       const double* RESTRICT box, const int* RESTRICT count, const int* RESTRICT sender, const int* RESTRICT image,
       real4* RESTRICT geometry, Bessel::Row* RESTRICT basis)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  real r;
  const real4 to = direction(x, i, sender[thread], image[thread], box, r);
  if (r >= cutoff) { geometry[thread] = {0, 0, 0, 0}; basis[thread] = {}; return; }
  Bessel::Row value, slope;
  Bessel::of(cutoff, real(1), frequencies)(r, to.w, value, slope);
  geometry[thread] = to;
  basis[thread] = value;
END

// a thread an entry: atoms of the same grain; `pull` begins with the walls on either side of the range of their class of pair
KERNEL(inner_rows, int capacity, real decay, real inverse_width, const real* RESTRICT centers, real height,
       const double* RESTRICT x, const double* RESTRICT box, const int* RESTRICT count, const int* RESTRICT sender,
       const int* RESTRICT group, const real* RESTRICT low, const real* RESTRICT high, real4* RESTRICT geometry,
       Gaussians::Row* RESTRICT basis, real4* RESTRICT pull)
  const int i = thread / capacity, e = thread - i * capacity;
  if (e >= count[i]) return;
  real r;
  const real4 to = direction(x, i, sender[thread], image_of(0, 0, 0), box, r);
  Gaussians::Row value, slope;
  Gaussians{decay, inverse_width, centers}(r, value, slope);
  geometry[thread] = to;
  basis[thread] = value;
  const real below = low[group[thread]] - r, above = r - high[group[thread]];
  pull[thread] = below > real(0) ? wall_of(below, -1, height, to) : wall_of(above, 1, height, to);
END
