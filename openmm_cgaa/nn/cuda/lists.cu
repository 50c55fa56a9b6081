// Who may see whom, decided on the device: all kernels are launched at each step, and return at once unless state[REBUILD];
// but `check`, `moved` and `centers` do not. Rows have a fixed capacity: what does not fit is told in `state`, and nothing is
// written beyond them.
enum { REBUILD, BUILDS, TROUBLE, NEEDS };  // NEEDS and the three after it: longest row and fullest cell, of atoms and grains
enum { ROW = 1, CELL = 2, FAR = 4, BOX = 8, LOST = 16 };  // of TROUBLE
#define FAR_AWAY 1e7  // boxes; beyond it, and if it is no number, a position is of no use

DEVICE double fraction(const double* x, const double* inverse, int k) {
  return x[0] * inverse[k] + x[1] * inverse[3 + k] + x[2] * inverse[6 + k];
}
DEVICE int whole_number(double x) { return fabs(x) < FAR_AWAY ? int(x) : 0; }

// a thread an atom, and nine at least: has one come too far, or is the box another one? `least`: heights the cells are for
KERNEL(check, int atoms, double far, double stay, const double* RESTRICT raw, const int* RESTRICT order,
       const double* RESTRICT origin, const double* RESTRICT box, const double* RESTRICT built,
       const double* RESTRICT least, int* RESTRICT state)
  bool again = thread < 9 && box[thread] != built[thread];
  if (thread < 3) {
    const double *to = box + 9 + thread, square = to[0] * to[0] + to[3] * to[3] + to[6] * to[6];
    if (square * least[thread] * least[thread] > 1) mark(state + TROUBLE, BOX);
  }
  if (thread < atoms) {
    const double* x = raw + 3 * place(order[thread]);
    double square = 0;
    bool usable = true;
    for (int q = 0; q < 3; q++) {
      const double d = x[q] - origin[3 * place(thread) + q];
      square += d * d;
      usable = usable && fabs(x[q]) < stay;
    }
    if (!usable) mark(state + TROUBLE, FAR);
    again = again || !(square < far * far);
  }
  if (again) state[REBUILD] = 1;
END

// a thread a grain: lattice vectors that make it whole, with its center in the cell; parents come before their children
KERNEL(whole, const int* RESTRICT first, const double* RESTRICT inverse_size, const int* RESTRICT tree,
       const int* RESTRICT parent, const double* RESTRICT raw, const int* RESTRICT order, const double* RESTRICT box,
       int* RESTRICT lattice, const int* RESTRICT state)
  if (!state[REBUILD]) return;
  const double* inverse = box + 9;
  double center[3] = {0, 0, 0};
  for (int n = first[thread]; n < first[thread + 1]; n++) {
    const int a = tree[n], p = parent[a];
    double bond[3];
    for (int q = 0; q < 3; q++) bond[q] = raw[3 * order[a] + q] - raw[3 * order[p] + q];
    for (int k = 0; k < 3; k++)
      lattice[3 * a + k] = a == p ? 0 : lattice[3 * p + k] - whole_number(rint(fraction(bond, inverse, k)));
    for (int q = 0; q < 3; q++) {
      center[q] += raw[3 * order[a] + q];
      for (int k = 0; k < 3; k++) center[q] += lattice[3 * a + k] * box[3 * k + q];
    }
  }
  int cell[3];
  for (int q = 0; q < 3; q++) center[q] *= inverse_size[thread];
  for (int k = 0; k < 3; k++) cell[k] = whole_number(floor(fraction(center, inverse, k)));
  for (int a = first[thread]; a < first[thread + 1]; a++)
    for (int k = 0; k < 3; k++) lattice[3 * a + k] -= cell[k];
END

// at each step, a thread an atom: where it is in its whole grain
KERNEL(moved, const double* RESTRICT raw, const int* RESTRICT order, const int* RESTRICT lattice,
       const double* RESTRICT box, double* RESTRICT x)
  for (int q = 0; q < 3; q++) {
    double at = raw[3 * order[thread] + q];
    for (int k = 0; k < 3; k++) at += lattice[3 * thread + k] * box[3 * k + q];
    x[3 * thread + q] = at;
  }
END

// at each step, a thread a grain: its center, and the way from there to each of its atoms
KERNEL(centers, const int* RESTRICT first, const double* RESTRICT inverse_size, const double* RESTRICT x,
       double* RESTRICT center, real* RESTRICT relative)
  for (int q = 0; q < 3; q++) {
    double sum = 0;
    for (int a = first[thread]; a < first[thread + 1]; a++) sum += x[3 * a + q];
    sum *= inverse_size[thread];
    center[3 * thread + q] = sum;
    for (int a = first[thread]; a < first[thread + 1]; a++) relative[3 * a + q] = real(x[3 * a + q] - sum);
  }
END

KERNEL(empty_cells, int* RESTRICT fill, const int* RESTRICT state)
  if (state[REBUILD]) fill[thread] = 0;
END

// a thread a point: into its cell. `box` also has the inverse that tells cells, which without a box repeat far away
KERNEL(into_cells, int nx, int ny, int nz, int room, int needs, const double* RESTRICT x, const double* RESTRICT box,
       int* RESTRICT fill, int* RESTRICT members, int* RESTRICT wrap, int* RESTRICT cell_of, int* RESTRICT state)
  if (!state[REBUILD]) return;
  const int along[3] = {nx, ny, nz};
  int c[3];
  for (int k = 0; k < 3; k++) {
    const double f = fraction(x + 3 * thread, box + 18, k), w = fabs(f) < FAR_AWAY ? floor(f) : 0;
    const double part = (f - w) * along[k];
    c[k] = part > 0 && part < along[k] ? int(part) : part >= along[k] ? along[k] - 1 : 0;
    wrap[3 * thread + k] = int(w);
  }
  const int cell = (c[0] * ny + c[1]) * nz + c[2], n = add_one(fill + cell);
  cell_of[thread] = cell;
  if (n < room) members[place(cell) * room + n] = thread;
  else { mark(state + TROUBLE, CELL); raise(state + needs + 1, n + 1); }
END

// a thread a place in a cell: in the order of the points, whichever came first
KERNEL(sort_cells, int room, const int* RESTRICT fill, const int* RESTRICT members, int* RESTRICT ordered,
       const int* RESTRICT state)
  if (!state[REBUILD]) return;
  const int cell = thread / room, own = thread - cell * room, n = fill[cell] < room ? fill[cell] : room;
  if (own >= n) return;
  const int *of = members + place(cell) * room, value = of[own];
  int before = 0;
  AHEAD
  for (int m = 0; m < n; m++) before += of[m] < value;
  ordered[place(cell) * room + before] = value;
END

// All that are closer to a point than `reach`, of other owners or other images. The cells around it, m on either side, are
// looked through by `parts` threads: first they count, then each knows where its entries begin.
struct Around {
  int nx, ny, nz, mx, my, mz, parts, room, periodic;
  double reach;
  const double *x, *box;
  const int *owner, *fill, *ordered, *wrap, *cell_of;
  int* state;
  // use(sender, image) for each that `part` finds around point i
  template <class Use> DEVICE void operator()(int i, int part, Use use) const {
    const int along[3] = {nx, ny, nz}, cell = cell_of[i], c[3] = {cell / (ny * nz), cell / nz % ny, cell % nz};
    const int wy = 2 * my + 1, wz = 2 * mz + 1, all = (2 * mx + 1) * wy * wz;
    const int first = int(place(part) * all / parts), last = int(place(part + 1) * all / parts);
    for (int o = first; o < last; o++) {
      const int beside[3] = {o / (wy * wz) - mx, o / wz % wy - my, o % wz - mz};
      int step[3], there[3];
      for (int k = 0; k < 3; k++) {
        const int at = c[k] + beside[k];
        step[k] = (at >= 0 ? at : at - along[k] + 1) / along[k];
        there[k] = at - step[k] * along[k];
      }
      const int other = (there[0] * ny + there[1]) * nz + there[2], most = fill[other] < room ? fill[other] : room;
      for (int m = 0; m < most; m++) {
        const int j = ordered[place(other) * room + m];
        int lattice[3];
        bool inside = true;
        for (int k = 0; k < 3; k++) {
          lattice[k] = periodic ? step[k] + wrap[3 * i + k] - wrap[3 * j + k] : 0;
          inside = inside && lattice[k] > -128 && lattice[k] < 128;
        }
        if (!inside) { mark(state + TROUBLE, FAR); continue; }
        const int code = image_of(lattice[0], lattice[1], lattice[2]);
        if (owner[j] == owner[i] && code == image_of(0, 0, 0)) continue;
        double square = 0;
        for (int q = 0; q < 3; q++) {
          const double d = (x[3 * j + q] - x[3 * i + q]) + shift_of(code, box, q);
          square += d * d;
        }
        if (square < reach * reach) use(j, code);
      }
    }
  }
};

// a thread a point and part: how many it finds
KERNEL(count_rows, int nx, int ny, int nz, int mx, int my, int mz, int parts, int room, int periodic, double reach,
       const double* RESTRICT x, const double* RESTRICT box, const int* RESTRICT owner, const int* RESTRICT fill,
       const int* RESTRICT ordered, const int* RESTRICT wrap, const int* RESTRICT cell_of, int* RESTRICT found,
       int* RESTRICT state)
  if (!state[REBUILD]) return;
  int n = 0;
  Around{nx, ny, nz, mx, my, mz, parts, room, periodic, reach, x, box, owner, fill, ordered, wrap, cell_of, state}(
      thread / parts, thread % parts, [&](int, int) { n++; });
  found[thread] = n;
END

// a thread a point and part: into the row, after those that parts before it found
KERNEL(list_rows, int nx, int ny, int nz, int mx, int my, int mz, int parts, int room, int periodic, double reach,
       const double* RESTRICT x, const double* RESTRICT box, const int* RESTRICT owner, const int* RESTRICT fill,
       const int* RESTRICT ordered, const int* RESTRICT wrap, const int* RESTRICT cell_of, const int* RESTRICT found,
       int capacity, int needs, int* RESTRICT count, int* RESTRICT sender, int* RESTRICT image, int* RESTRICT state)
  if (!state[REBUILD]) return;
  const int i = thread / parts, part = thread % parts;
  const place row = place(i) * capacity;
  int n = 0;
  for (int before = 0; before < part; before++) n += found[place(i) * parts + before];
  Around{nx, ny, nz, mx, my, mz, parts, room, periodic, reach, x, box, owner, fill, ordered, wrap, cell_of, state}(
      i, part, [&](int j, int code) {
        if (n < capacity) { sender[row + n] = j; image[row + n] = code; }
        n++;
      });
  if (part < parts - 1) return;
  if (n > capacity) { mark(state + TROUBLE, ROW); raise(state + needs, n); n = capacity; }
  count[i] = n;
END

// a thread an entry: that of the way back, in the row of its sender
KERNEL(find_partners, int capacity, const int* RESTRICT count, const int* RESTRICT sender, const int* RESTRICT image,
       int* RESTRICT partner, int* RESTRICT state)
  const int i = thread / capacity, e = thread - i * capacity;
  if (!state[REBUILD] || e >= count[i]) return;
  const place row = place(sender[thread]) * capacity;
  const int back = opposite(image[thread]);
  int found = -1;
  for (int k = 0; k < count[sender[thread]]; k++)
    if (sender[row + k] == i && image[row + k] == back) found = int(row) + k;
  if (found < 0) mark(state + TROUBLE, LOST);
  partner[thread] = found < 0 ? thread : found;
END

// a thread an atom, and nine at least
KERNEL(keep, int atoms, const double* RESTRICT raw, const int* RESTRICT order, double* RESTRICT origin,
       const double* RESTRICT box, double* RESTRICT built, const int* RESTRICT state)
  if (!state[REBUILD]) return;
  if (thread < 9) built[thread] = box[thread];
  if (thread < atoms)
    for (int q = 0; q < 3; q++) origin[3 * place(thread) + q] = raw[3 * place(order[thread]) + q];
END

KERNEL(done, int* RESTRICT state)
  if (!state[REBUILD]) return;
  state[REBUILD] = 0;
  state[BUILDS]++;
END
