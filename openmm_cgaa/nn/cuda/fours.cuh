// Four channels of one kind at a time: what a thread reads of an entry serves all four.

template <int SCALARS, int VECTORS, int TENSORS> struct Widths {
  static constexpr int scalars = SCALARS, vectors = VECTORS, tensors = TENSORS, all = SCALARS + VECTORS + TENSORS;
};
typedef Widths<NS, NV, NT> Densities;  // of atoms' own grains, and of others' atoms
typedef Widths<PS, PV, 0> Pairs;       // of the second gathering

template <class Width> struct Fours {
  static constexpr int scalars = (Width::scalars + 3) / 4, vectors = (Width::vectors + 3) / 4,
                       tensors = (Width::tensors + 3) / 4;
  static constexpr bool whole = Width::scalars % 4 == 0 && Width::vectors % 4 == 0 && Width::tensors % 4 == 0;
};

// whose receiver, which kind (scalars, vectors, tensors), and which channels of it: `left` of them from `channel` on
struct Task {
  int receiver, kind, channel, left;
  template <class Width> static DEVICE Task of(int receiver, int four) {
    typedef Fours<Width> F;
    if (four < F::scalars) return {receiver, 0, 4 * four, Width::scalars - 4 * four};
    const int vector = four - F::scalars, tensor = vector - F::vectors;
    if (vector < F::vectors) return {receiver, 1, 4 * vector, Width::vectors - 4 * vector};
    return {receiver, 2, 4 * tensor, Width::tensors - 4 * tensor};
  }
  // threads of one kind follow each other, so that those of a warp go the same way; of one receiver they are neighbours
  template <class Width> static DEVICE Task by_kind(int thread, int receivers) {
    typedef Fours<Width> F;
    const int after_scalars = thread - receivers * F::scalars, after_vectors = after_scalars - receivers * F::vectors;
    enum { S = F::scalars > 0 ? F::scalars : 1, V = F::vectors > 0 ? F::vectors : 1, T = F::tensors > 0 ? F::tensors : 1 };
    if (after_scalars < 0) return of<Width>(thread / S, thread % S);
    if (after_vectors < 0) return of<Width>(after_scalars / V, F::scalars + after_scalars % V);
    return of<Width>(after_vectors / T, F::scalars + F::vectors + after_vectors % T);
  }
  // the first of the channels among those of all kinds
  template <class Width> DEVICE int place_in() const {
    return channel + (kind == 0 ? 0 : kind == 1 ? Width::scalars : Width::scalars + Width::vectors);
  }
};

// four numbers, or where fewer are left the first one in place of others
DEVICE real4 some(const real* from, int left, bool at_once) {
  if (at_once) return *reinterpret_cast<const real4*>(from);
  return {from[0], from[left > 1 ? 1 : 0], from[left > 2 ? 2 : 0], from[left > 3 ? 3 : 0]};
}
DEVICE void put(real* to, int left, const real4& value) {
  UNROLL
  for (int k = 0; k < 4; k++)
    if (k < left) to[k] = part(value, k);
}
template <class Row> DEVICE real4 four_dots(const Row& basis, const Row* weights, int left) {
  return {dot(basis, weights[0]), dot(basis, weights[left > 1 ? 1 : 0]), dot(basis, weights[left > 2 ? 2 : 0]),
          dot(basis, weights[left > 3 ? 3 : 0])};
}
DEVICE real4 times(const real4& a, const real4& b) { return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w}; }
DEVICE void add_times(real4& sum, const real4& a, real b) {
  sum.x += a.x * b; sum.y += a.y * b; sum.z += a.z * b; sum.w += a.w * b;
}
