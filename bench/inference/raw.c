/*
 * llama.cpp's own C API, driven as plainly as it can be: the yardstick of bench/inference.ts. Reads one command a line, answers
 * one line a command.
 *
 *   raw MODEL CPU_BACKEND CONTEXT SEQUENCES
 *
 *   run TOKENS id id …        one sequence's prompt; as many such lines as there are sequences
 *   go                        clears everything, evaluates the prompts, writes TOKENS tokens each, greedily; answers
 *                             `done PROMPT_NS GENERATION_NS TOKENS_EVALUATED id id … , id id …`: CPU time of this process
 *   cpu PID                   answers `cpu NS`: CPU time that a process has used so far, by the kernel's clock for it
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ggml-backend.h"
#include "llama.h"

enum { MAX_SEQUENCES = 64, BATCH = 512 };

static void fail(const char *why) {
    fprintf(stderr, "raw: %s\n", why);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) fail("the kernel has no CPU clock for this process");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void silent(enum ggml_log_level level, const char *text, void *data) {
    (void)data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

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

int main(int argc, char **argv) {
    if (argc != 5) fail("usage: raw MODEL CPU_BACKEND CONTEXT SEQUENCES");
    const int context_size = atoi(argv[3]);
    const int sequences = atoi(argv[4]);
    if (sequences < 1 || sequences > MAX_SEQUENCES) fail("that many sequences it cannot do");
    llama_log_set(silent, NULL);
    /* This one variant and no other: the one the engine computes with. */
    if (ggml_backend_load(argv[2]) == NULL) fail("the CPU backend does not load");
    struct llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    struct llama_model *model = llama_model_load_from_file(argv[1], model_params);
    if (model == NULL) fail("the model does not load");
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)(context_size * sequences);
    params.n_batch = params.n_ubatch = BATCH;
    params.n_seq_max = (uint32_t)sequences;
    params.n_threads = params.n_threads_batch = 1;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.kv_unified = false;
    params.no_perf = true;
    struct llama_context *context = llama_init_from_model(model, params);
    if (context == NULL) fail("there is no memory for the context");
    struct llama_sampler *greedy = llama_sampler_init_greedy();
    struct llama_batch batch = llama_batch_init(BATCH, 0, 1);
    printf("ready\n");
    fflush(stdout);

    llama_token *prompts[MAX_SEQUENCES] = {0};
    int lengths[MAX_SEQUENCES] = {0};
    int given = 0;
    int wanted = 0;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        if (strncmp(line, "cpu ", 4) == 0) {
            clockid_t clock;
            if (clock_getcpuclockid((pid_t)atoi(line + 4), &clock) != 0) fail("there is no such process");
            printf("cpu %lld\n", (long long)clock_ns(clock));
        } else if (strncmp(line, "run ", 4) == 0) {
            if (given == sequences) fail("more prompts than sequences");
            char *at = line + 4;
            wanted = (int)strtol(at, &at, 10);
            prompts[given] = realloc(prompts[given], sizeof(llama_token) * (size_t)context_size);
            for (lengths[given] = 0; *at == ' '; lengths[given]++) {
                if (lengths[given] == context_size) fail("the prompt is longer than the context");
                prompts[given][lengths[given]] = (llama_token)strtol(at, &at, 10);
            }
            given++;
            continue;
        } else if (strncmp(line, "go", 2) == 0) {
            llama_token *written = malloc(sizeof(llama_token) * (size_t)(given * wanted));
            int rows[MAX_SEQUENCES];
            long evaluated = 0;
            llama_memory_clear(llama_get_memory(context), true);
            int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
            /* Batches as full as they get; a token is sampled where a prompt ends, before its logits are overwritten. */
            batch.n_tokens = 0;
            int pending = 0;
            for (int sequence = 0; sequence < given; sequence++)
                for (int at = 0; at < lengths[sequence]; at++) {
                    int last = at == lengths[sequence] - 1;
                    if (last) rows[sequence] = batch.n_tokens;
                    add(&batch, prompts[sequence][at], at, sequence, last);
                    if (batch.n_tokens < BATCH && !(last && sequence == given - 1)) continue;
                    decode(context, &batch);
                    evaluated += batch.n_tokens;
                    batch.n_tokens = 0;
                    for (; pending < sequence + (last ? 1 : 0); pending++)
                        written[pending * wanted] = llama_sampler_sample(greedy, context, rows[pending]);
                }
            int64_t middle = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
            for (int step = 1; step < wanted; step++) {
                batch.n_tokens = 0;
                for (int sequence = 0; sequence < given; sequence++)
                    add(&batch, written[sequence * wanted + step - 1], lengths[sequence] + step - 1, sequence, 1);
                decode(context, &batch);
                evaluated += batch.n_tokens;
                for (int sequence = 0; sequence < given; sequence++)
                    written[sequence * wanted + step] = llama_sampler_sample(greedy, context, sequence);
            }
            int64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
            printf("done %lld %lld %ld", (long long)(middle - start), (long long)(end - middle), evaluated);
            for (int sequence = 0; sequence < given; sequence++) {
                if (sequence > 0) printf(" ,");
                for (int step = 0; step < wanted; step++) printf(" %d", written[sequence * wanted + step]);
            }
            printf("\n");
            free(written);
            given = 0;
        } else {
            fail("an unknown command");
        }
        fflush(stdout);
    }
    return 0;
}
