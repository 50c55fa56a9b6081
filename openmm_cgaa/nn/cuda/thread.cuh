// What all kernels are written in. A kernel does what its thread's number says and nothing else: no shared memory, no warp
// intrinsics, and atomics only where atoms are put into cells. So the loop over threads that g++ makes of the same source (the
// twin) computes what the GPU computes. All sizes of a network are constants of the compiler; `real` is float or double.
#ifdef __CUDACC__
  #define DEVICE __device__ __forceinline__
  #define RESTRICT __restrict__
  #define KERNEL(name, ...) \
    extern "C" __global__ void __launch_bounds__(128) name(const int threads, __VA_ARGS__) { \
      const int thread = blockIdx.x * blockDim.x + threadIdx.x; \
      if (thread >= threads) return;
  #define END }
  #define UNROLL _Pragma("unroll")  // what is indexed by the loop stays in registers
  #define TEXT(of) #of
  #define UNROLL_BY(n) _Pragma(TEXT(unroll n))
  #define AHEAD _Pragma("unroll 4")  // what four rounds read is on its way at once: a thread alone waits long for each number
  DEVICE int add_one(int* counter) { return atomicAdd(counter, 1); }
  DEVICE void mark(int* flags, int bits) { atomicOr(flags, bits); }
  DEVICE void raise(int* most, int value) { atomicMax(most, value); }
#else
  #include <cmath>
  #define DEVICE inline
  #define RESTRICT __restrict__
  // the order of threads means nothing: a test runs them backwards
  #ifdef BACKWARDS
    #define NUMBER(n) (threads - 1 - n)
  #else
    #define NUMBER(n) (n)
  #endif
  #define KERNEL(name, ...) \
    extern "C" __attribute__((visibility("default"))) void name(const int threads, __VA_ARGS__) { \
      const auto body = [=]([[maybe_unused]] const int thread) {
  #define END }; for (int n = 0; n < threads; n++) body(NUMBER(n)); }
  #define UNROLL
  #define UNROLL_BY(n)
  #define AHEAD
  DEVICE int add_one(int* counter) { return (*counter)++; }
  DEVICE void mark(int* flags, int bits) { *flags |= bits; }
  DEVICE void raise(int* most, int value) { if (value > *most) *most = value; }
  using std::ceil; using std::exp; using std::fabs; using std::floor; using std::rint; using std::sqrt;
#endif

typedef REAL real;
typedef long long place;  // in arrays of more than 2^31 numbers

struct alignas(16) real4 { real x, y, z, w; };

// four numbers of a row, at once where all rows begin at a multiple of 16 bytes
DEVICE bool in_fours(const real* from, place stride) {
  return (reinterpret_cast<unsigned long long>(from) & 15) == 0 && stride % 4 == 0;
}
DEVICE real4 four(const real* from, bool at_once) {
  if (at_once) return *reinterpret_cast<const real4*>(from);
  return {from[0], from[1], from[2], from[3]};
}
DEVICE real part(const real4& of, int k) { return k == 0 ? of.x : k == 1 ? of.y : k == 2 ? of.z : of.w; }

// a row of a radial basis, or of weights on it; filled up with zeros, so that it is read four numbers at a time
template <int SIZE> struct alignas(16) Functions {
  static constexpr int size = SIZE, room = (SIZE + 3) / 4 * 4;
  real of[room];
};

template <class Row> DEVICE real dot(const Row& a, const Row& b) {
  real sum = 0;
  for (int k = 0; k < Row::room; k++) sum += a.of[k] * b.of[k];
  return sum;
}

DEVICE real sigmoid(real x) { return real(1) / (real(1) + exp(-x)); }
DEVICE real silu(real x) { return x * sigmoid(x); }
DEVICE real silu_slope(real x) { const real part = sigmoid(x); return part * (real(1) + x * (real(1) - part)); }

// lattice vectors as three small whole numbers in one; with the signs turned it is that of the way back
DEVICE int image_of(int a, int b, int c) { return (a + 128) << 16 | (b + 128) << 8 | (c + 128); }
DEVICE int step_of(int image, int axis) { return (image >> (16 - 8 * axis) & 255) - 128; }
DEVICE int opposite(int image) { return image_of(-step_of(image, 0), -step_of(image, 1), -step_of(image, 2)); }
DEVICE double shift_of(int image, const double* box, int q) {
  return step_of(image, 0) * box[q] + step_of(image, 1) * box[3 + q] + step_of(image, 2) * box[6 + q];
}
