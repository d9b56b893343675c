/* A program in C, linked with libattnc_runtime alone: opens a package, runs it on the processor and
 * compares with attention written out. */
#include "runtime/attnc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, HEADS = 4, KV_HEADS = 2, TOKENS = 75, DIM = 8, WINDOW = 20 };

static float q[BATCH][HEADS][TOKENS][DIM], k[BATCH][KV_HEADS][TOKENS][DIM],
    v[BATCH][KV_HEADS][TOKENS][DIM], o[BATCH][HEADS][TOKENS][DIM], lse[BATCH][HEADS][TOKENS];

static void check(attnc_status status, const char *what) {
  if (status == ATTNC_OK)
    return;
  fprintf(stderr, "%s: status %d: %s\n", what, (int)status, attnc_last_error());
  exit(1);
}

static void fill(float *values, size_t count) {
  static unsigned state = 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
  }
}

static DLTensor tensor(void *data, int64_t *shape, int ndim) {
  DLTensor t;
  memset(&t, 0, sizeof(t));
  t.data = data;
  t.device.device_type = kDLCPU;
  t.ndim = ndim;
  t.dtype.code = kDLFloat;
  t.dtype.bits = 32;
  t.dtype.lanes = 1;
  t.shape = shape;
  return t;
}

/* The largest difference of a row from causal attention over the last WINDOW keys. */
static double rowError(int b, int h, int i) {
  double weights[TOKENS], sum = 0, worst = 0;
  int first = i - WINDOW + 1 < 0 ? 0 : i - WINDOW + 1, kv = h / (HEADS / KV_HEADS);
  for (int j = first; j <= i; ++j) {
    double score = 0;
    for (int d = 0; d < DIM; ++d)
      score += (double)q[b][h][i][d] * k[b][kv][j][d];
    sum += weights[j] = exp(score / sqrt((double)DIM));
  }
  for (int d = 0; d < DIM; ++d) {
    double value = 0;
    for (int j = first; j <= i; ++j)
      value += weights[j] / sum * v[b][kv][j][d];
    worst = fmax(worst, fabs(value - o[b][h][i][d]));
  }
  return fmax(worst, fabs(log(sum) - lse[b][h][i]));
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: capi_test window.attnpkg\n");
    return 2;
  }
  int64_t queryShape[] = {BATCH, HEADS, TOKENS, DIM}, keyShape[] = {BATCH, KV_HEADS, TOKENS, DIM};
  DLTensor tq = tensor(q, queryShape, 4), tk = tensor(k, keyShape, 4), tv = tensor(v, keyShape, 4),
           to = tensor(o, queryShape, 4), tlse = tensor(lse, queryShape, 3);
  fill(&q[0][0][0][0], sizeof(q) / sizeof(float));
  fill(&k[0][0][0][0], sizeof(k) / sizeof(float));
  fill(&v[0][0][0][0], sizeof(v) / sizeof(float));

  attnc_package *package = NULL;
  attnc_device *device = NULL;
  attnc_kernel *kernel = NULL;
  attnc_plan *plan = NULL;
  check(attnc_package_open(argv[1], &package), "open the package");
  check(attnc_device_open("cpu", "{\"threads\": 2}", &device), "open the device");
  check(attnc_kernel_load(package, device, &kernel), "load the kernel");
  attnc_bindings bindings;
  memset(&bindings, 0, sizeof(bindings));
  bindings.size = sizeof(bindings);
  bindings.q = &tq;
  bindings.k = &tk;
  bindings.v = &tv;
  bindings.o = &to;
  bindings.lse = &tlse;
  check(attnc_plan_make(kernel, &bindings, &plan), "make the plan");
  /* In any order: each keeps what it needs. */
  attnc_package_close(package);
  attnc_device_close(device);
  attnc_kernel_close(kernel);
  check(attnc_plan_launch(plan, NULL), "launch");
  printf("attnc %s\n%s\n", attnc_version(), attnc_plan_json(plan));
  attnc_plan_close(plan);

  double worst = 0;
  for (int b = 0; b < BATCH; ++b)
    for (int h = 0; h < HEADS; ++h)
      for (int i = 0; i < TOKENS; ++i)
        worst = fmax(worst, rowError(b, h, i));
  printf("largest error %.3g\n", worst);
  return worst < 2e-5 ? 0 : 1;
}
