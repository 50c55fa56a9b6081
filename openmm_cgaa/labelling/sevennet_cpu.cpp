// SevenNet's convolution on one CPU thread: tensor product, radial weight and sum over neighbours in one pass over the
// edges. A path takes block x[m1] of the sender (one number a channel), the harmonics y[m2] of the edge and one weight
// w a channel to block out[m3] of the receiver: out[m3] += w * sum_m1 A[m3][m1] x[m1], A = sum_m2 C[m3][m1][m2] y[m2].
// Features lie as [node][component][channel], so that the inner loops run over contiguous channels.
#include <cstdint>

struct Path {
    int64_t channels, x, d1, y, d2, out, d3, w, c;  // offsets of the blocks, and how many components they have
};
constexpr int LARGEST = 49, MOST_CHANNELS = 512;  // (2 l + 1)^2 for l = 3; the caller checks both

static void rotation(const Path& p, const float* coefficients, const float* y, float* A) {
    const float* c = coefficients + p.c;
    for (int64_t i = 0; i < p.d3 * p.d1; i++, c += p.d2) {
        A[i] = 0;
        for (int64_t b = 0; b < p.d2; b++) A[i] += c[b] * y[b];
    }
}

// N: channels known to the compiler, or 0
template <int N>
static void gather(const Path& p, const float* A, const float* x, const float* w, float* out) {
    const int n = N ? N : p.channels;
    float rotated[N ? N : MOST_CHANNELS];
    for (int64_t c = 0; c < p.d3; c++, out += n) {
        for (int u = 0; u < n; u++) rotated[u] = 0;
        for (int64_t a = 0; a < p.d1; a++)
            for (int u = 0; u < n; u++) rotated[u] += A[c * p.d1 + a] * x[a * n + u];
        for (int u = 0; u < n; u++) out[u] += w[u] * rotated[u];
    }
}

template <int N>
static void gather_backward(const Path& p, const float* A, const float* x, const float* w, const float* g, float* dx,
                            float* dw, float* dA) {
    const int n = N ? N : p.channels;
    float rotated[N ? N : MOST_CHANNELS], gw[N ? N : MOST_CHANNELS];
    for (int u = 0; u < n; u++) dw[u] = 0;
    for (int64_t c = 0; c < p.d3; c++, g += n) {
        for (int u = 0; u < n; u++) {
            gw[u] = g[u] * w[u];
            rotated[u] = 0;
        }
        for (int64_t a = 0; a < p.d1; a++) {
            const float k = A[c * p.d1 + a];
            const float* xa = x + a * n;
            float* dxa = dx + a * n;
            float sum = 0;
            for (int u = 0; u < n; u++) {
                rotated[u] += k * xa[u];
                dxa[u] += k * gw[u];
                sum += gw[u] * xa[u];
            }
            dA[c * p.d1 + a] = sum;
        }
        for (int u = 0; u < n; u++) dw[u] += rotated[u] * g[u];
    }
}

#define FOR_CHANNELS(f, ...)                              \
    switch (p.channels) {                                 \
        case 128: f<128>(__VA_ARGS__); break;             \
        case 64: f<64>(__VA_ARGS__); break;               \
        case 32: f<32>(__VA_ARGS__); break;               \
        default: f<0>(__VA_ARGS__);                       \
    }

extern "C" void convolve(int64_t edges, const int64_t* source, const int64_t* target, int64_t paths, const Path* path,
                         const float* coefficients, int64_t nx, int64_t ny, int64_t nw, int64_t nout, const float* x,
                         const float* y, const float* w, float* out) {
    float A[LARGEST];
    for (int64_t e = 0; e < edges; e++)
        for (int64_t k = 0; k < paths; k++) {
            const Path& p = path[k];
            rotation(p, coefficients, y + e * ny + p.y, A);
            FOR_CHANNELS(gather, p, A, x + source[e] * nx + p.x, w + e * nw + p.w, out + target[e] * nout + p.out)
        }
}

extern "C" void convolve_backward(int64_t edges, const int64_t* source, const int64_t* target, int64_t paths,
                                  const Path* path, const float* coefficients, int64_t nx, int64_t ny, int64_t nw,
                                  int64_t nout, const float* x, const float* y, const float* w, const float* g,
                                  float* dx, float* dy, float* dw) {
    float A[LARGEST], dA[LARGEST];
    for (int64_t e = 0; e < edges; e++)
        for (int64_t k = 0; k < paths; k++) {
            const Path& p = path[k];
            rotation(p, coefficients, y + e * ny + p.y, A);
            FOR_CHANNELS(gather_backward, p, A, x + source[e] * nx + p.x, w + e * nw + p.w,
                         g + target[e] * nout + p.out, dx + source[e] * nx + p.x, dw + e * nw + p.w, dA)
            const float* c = coefficients + p.c;
            float* d = dy + e * ny + p.y;
            for (int64_t i = 0; i < p.d3 * p.d1; i++, c += p.d2)
                for (int64_t b = 0; b < p.d2; b++) d[b] += c[b] * dA[i];
        }
}
