/*
 * What a GPU does to speed and to sameness, through llama.cpp's C API. Markdown on stdout, progress on stderr.
 *
 *   measure MODEL ROUNDS [CPU_BACKEND]
 *
 * CPU_BACKEND: the one library of CPU code to load, where llama.cpp was built with loadable ones. A machine without a GPU gets the
 * CPU's rows only, and is told so.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-backend.h"
#include "llama.h"

enum { MAX_SEQUENCES = 8, PROMPT = 256, ANSWER = 64, CONTEXT = 1024, MOST_ROUNDS = 100 };

/* A way of running the model. */
typedef struct {
    int gpu, flash, batch, threads;
} Way;

typedef struct {
    double prompt_s, answer_s;
    llama_token tokens[ANSWER];
    /* Logits after each token of the answer, of the first sequence. */
    float *logits;
} Run;

static struct llama_model *models[2];
static int vocabulary, rounds;

static void fail(const char *why) {
    fprintf(stderr, "measure: %s\n", why);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void silent(enum ggml_log_level level, const char *text, void *data) {
    (void)data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static struct llama_context *open_context(Way way, int sequences) {
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)(CONTEXT * sequences);
    params.n_batch = params.n_ubatch = (uint32_t)way.batch;
    params.n_seq_max = (uint32_t)sequences;
    params.n_threads = params.n_threads_batch = way.threads;
    params.flash_attn_type = way.flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.kv_unified = false;
    params.offload_kqv = params.op_offload = way.gpu != 0;
    params.no_perf = true;
    struct llama_context *context = llama_init_from_model(models[way.gpu], params);
    if (context == NULL) fail("there is no memory for the context");
    return context;
}

static llama_token prompt_token(int sequence, int at) { return 300 + (at * 7 + sequence * 13) % 60; }

static void add(struct llama_batch *batch, llama_token token, int position, int sequence, int wanted) {
    int at = batch->n_tokens++;
    batch->token[at] = token;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence;
    batch->logits[at] = (int8_t)wanted;
}

static void decode(struct llama_context *context, struct llama_batch *batch) {
    if (llama_decode(context, *batch) != 0) fail("llama_decode failed");
}

static llama_token best(const float *logits) {
    int found = 0;
    for (int token = 1; token < vocabulary; token++)
        if (logits[token] > logits[found]) found = token;
    return found;
}

/*
 * Prompts, each in batches of its own, then answers together. `forced`: the first sequence writes these tokens, whatever it would
 * choose; `kept`: this many tokens of the prompt are read, forgotten behind, and read again from there; `one_pass`: the first sequence's answer
 * is read like a prompt.
 */
static void run(Way way, int sequences, const llama_token *forced, int kept, int one_pass, Run *result) {
    struct llama_context *context = open_context(way, sequences);
    struct llama_batch batch = llama_batch_init(CONTEXT, 0, 1);
    llama_token current[MAX_SEQUENCES];
    /* Warm up: kernels are compiled and memory is taken on first use. */
    for (int at = 0; at < 8; at++) add(&batch, prompt_token(0, at), at, 0, at == 7);
    decode(context, &batch);
    llama_memory_clear(llama_get_memory(context), true);
    llama_synchronize(context);

    const double start = now();
    for (int sequence = 0; sequence < sequences; sequence++) {
        int from = 0;
        if (sequence == 0 && kept > 0) {
            batch.n_tokens = 0;
            for (int at = 0; at < PROMPT; at++) add(&batch, prompt_token(0, at), at, 0, at == PROMPT - 1);
            decode(context, &batch);
            llama_memory_seq_rm(llama_get_memory(context), 0, kept, -1);
            from = kept;
        }
        const int end = one_pass && sequence == 0 ? PROMPT + ANSWER - 1 : PROMPT;
        while (from < end) {
            batch.n_tokens = 0;
            const int first = from;
            for (; from < end && batch.n_tokens < way.batch; from++)
                add(&batch, from < PROMPT ? prompt_token(sequence, from) : forced[from - PROMPT], from, sequence,
                    from >= PROMPT - 1);
            decode(context, &batch);
            for (int at = first; at < from; at++) {
                if (at < PROMPT - 1) continue;
                const float *logits = llama_get_logits_ith(context, at - first);
                current[sequence] = best(logits);
                if (sequence > 0) continue;
                memcpy(result->logits + (size_t)(at - PROMPT + 1) * vocabulary, logits, sizeof(float) * vocabulary);
                result->tokens[at - PROMPT + 1] = current[0];
            }
        }
    }
    llama_synchronize(context);
    const double middle = now();
    for (int step = 1; step < ANSWER && !one_pass; step++) {
        batch.n_tokens = 0;
        for (int sequence = 0; sequence < sequences; sequence++)
            add(&batch, sequence == 0 && forced ? forced[step - 1] : current[sequence], PROMPT + step - 1, sequence, 1);
        decode(context, &batch);
        for (int sequence = 0; sequence < sequences; sequence++) {
            const float *logits = llama_get_logits_ith(context, sequence);
            current[sequence] = best(logits);
            if (sequence > 0) continue;
            memcpy(result->logits + (size_t)step * vocabulary, logits, sizeof(float) * vocabulary);
            result->tokens[step] = current[0];
        }
    }
    llama_synchronize(context);
    result->prompt_s = middle - start;
    result->answer_s = now() - middle;
    llama_batch_free(batch);
    llama_free(context);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void speed_row(const char *name, Way way, int sequences, Run *scratch) {
    double prompt[MOST_ROUNDS], answer[MOST_ROUNDS];
    for (int round = 0; round < rounds; round++) {
        fprintf(stderr, "speed: %s, %d sequences, round %d of %d\n", name, sequences, round + 1, rounds);
        run(way, sequences, NULL, 0, 0, scratch);
        prompt[round] = sequences * PROMPT / scratch->prompt_s;
        answer[round] = sequences * (ANSWER - 1) / scratch->answer_s;
    }
    qsort(prompt, (size_t)rounds, sizeof(double), ascending);
    qsort(answer, (size_t)rounds, sizeof(double), ascending);
    printf("| %s | %d | %.0f (%.0f to %.0f) | %.0f (%.0f to %.0f) |\n", name, sequences, prompt[rounds / 2], prompt[0],
           prompt[rounds - 1], answer[rounds / 2], answer[0], answer[rounds - 1]);
    fflush(stdout);
}

static void same_row(const char *of, const char *change, const Run *reference, Way way, int sequences, int kept,
                     int one_pass, Run *scratch) {
    fprintf(stderr, "sameness: %s, %s\n", of, change);
    run(way, sequences, reference->tokens, kept, one_pass, scratch);
    float worst = 0;
    int other = 0;
    for (int step = 0; step < ANSWER; step++) {
        other += scratch->tokens[step] != reference->tokens[step];
        for (int token = 0; token < vocabulary; token++) {
            const size_t at = (size_t)step * vocabulary + token;
            worst = fmaxf(worst, fabsf(scratch->logits[at] - reference->logits[at]));
        }
    }
    if (worst == 0) printf("| %s | %s | bitwise | 0 of %d |\n", of, change, ANSWER);
    else printf("| %s | %s | %.1e | %d of %d |\n", of, change, worst, other, ANSWER);
    fflush(stdout);
}

static void sameness(const char *name, Way way, Run *reference, Run *scratch) {
    run(way, 1, NULL, 0, 0, reference);
    same_row(name, "once more", reference, way, 1, 0, 0, scratch);
    Way changed = way;
    changed.batch = 64;
    same_row(name, "batches of 64", reference, changed, 1, 0, 0, scratch);
    changed = way;
    changed.threads = 2;
    same_row(name, "two threads", reference, changed, 1, 0, 0, scratch);
    same_row(name, "3 neighbours", reference, way, 4, 0, 0, scratch);
    same_row(name, "7 neighbours", reference, way, 8, 0, 0, scratch);
    same_row(name, "first half of the prompt kept", reference, way, 1, PROMPT / 2, 0, scratch);
    same_row(name, "checked in one pass", reference, way, 1, 0, 1, scratch);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) fail("usage: measure MODEL ROUNDS [CPU_BACKEND]");
    rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > MOST_ROUNDS) fail("that many rounds it cannot do");
    llama_log_set(silent, NULL);
    if (argc == 4 && ggml_backend_load(argv[3]) == NULL) fail("the CPU backend does not load");
    if (argc == 3) ggml_backend_load_all();
    const char *gpu = NULL;
    for (size_t at = 0; at < ggml_backend_dev_count(); at++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(at);
        if (ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU) gpu = ggml_backend_dev_description(device);
    }
    for (int on_gpu = 0; on_gpu <= (gpu != NULL); on_gpu++) {
        struct llama_model_params params = llama_model_default_params();
        ggml_backend_dev_t none[] = {NULL};
        params.n_gpu_layers = on_gpu ? 999 : 0;
        if (!on_gpu) params.devices = none;
        models[on_gpu] = llama_model_load_from_file(argv[1], params);
        if (models[on_gpu] == NULL) fail("the model does not load");
    }
    vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(models[0]));
    Run reference = {.logits = malloc(sizeof(float) * ANSWER * vocabulary)};
    Run on_gpu = {.logits = malloc(sizeof(float) * ANSWER * vocabulary)};
    Run scratch = {.logits = malloc(sizeof(float) * ANSWER * vocabulary)};

    const Way canonical = {0, 0, 512, 1}, cpu_fast = {0, 1, 512, 1}, exact_gpu = {1, 0, 512, 1}, fast = {1, 1, 512, 1};
    printf("GPU: %s\n\n", gpu ? gpu : "none");
    printf("| mode | sequences | prompt, tokens/s | answer, tokens/s |\n| --- | --: | --: | --: |\n");
    for (int sequences = 1; sequences <= 8; sequences += sequences == 1 ? 3 : 4) {
        speed_row("canonical (CPU, one thread)", canonical, sequences, &scratch);
        if (gpu) speed_row("GPU without flash attention", exact_gpu, sequences, &scratch);
        if (gpu) speed_row("fast (GPU, flash attention)", fast, sequences, &scratch);
    }
    printf("\n| reference | change | largest difference of a logit | other tokens |\n| --- | --- | --: | --: |\n");
    sameness("canonical", canonical, &reference, &scratch);
    same_row("canonical", "flash attention", &reference, cpu_fast, 1, 0, 0, &scratch);
    if (gpu == NULL) return 0;
    same_row("canonical", "GPU without flash attention", &reference, exact_gpu, 1, 0, 0, &scratch);
    same_row("canonical", "fast (GPU, flash attention)", &reference, fast, 1, 0, 0, &scratch);
    sameness("GPU without flash attention", exact_gpu, &on_gpu, &scratch);
    sameness("fast", fast, &on_gpu, &scratch);
    return 0;
}
