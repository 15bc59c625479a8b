/*
 * Writes a llama-shaped Q8_0 model with random weights, of the shape that bench/inference/writeRandomModel.ts writes, through ggml's
 * own GGUF functions: where there is no Node, a C compiler is enough.
 *
 *   model FILE
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml.h"
#include "gguf.h"

enum { BLOCKS = 30, WIDTH = 576, FEED = 1536, HEADS = 9, KV_HEADS = 3, VOCABULARY = 32768, CONTEXT = 4096, END = 4 };

static const char *TEMPLATE =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/* Marsaglia's xorshift32. */
static uint32_t draw(void) {
    static uint32_t state = 1;
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static void norm(struct ggml_context *memory, struct gguf_context *file, const char *name) {
    struct ggml_tensor *tensor = ggml_new_tensor_1d(memory, GGML_TYPE_F32, WIDTH);
    ggml_set_name(tensor, name);
    for (int at = 0; at < WIDTH; at++) ((float *)tensor->data)[at] = 1.0f;
    gguf_add_tensor(file, tensor);
}

static void matrix(struct ggml_context *memory, struct gguf_context *file, const char *name, int inputs, int outputs) {
    struct ggml_tensor *tensor = ggml_new_tensor_2d(memory, GGML_TYPE_Q8_0, inputs, outputs);
    ggml_set_name(tensor, name);
    /* block_q8_0: a half-precision scale and 32 weights of a byte. Variance 1 / inputs. */
    const ggml_fp16_t scale = ggml_fp32_to_fp16(sqrtf(3.0f / (float)inputs) / 127.0f);
    uint8_t *data = tensor->data;
    const int64_t blocks = (int64_t)outputs * inputs / 32;
    for (int64_t block = 0; block < blocks; block++, data += 34) {
        const int is_end = strcmp(name, "output.weight") == 0 && block / (inputs / 32) == END;
        memcpy(data, &scale, 2);
        for (int at = 0; at < 8; at++) {
            const uint32_t four = is_end ? 0 : draw();
            memcpy(data + 2 + 4 * at, &four, 4);
        }
    }
    gguf_add_tensor(file, tensor);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: model FILE\n");
        return 1;
    }
    struct ggml_init_params room = {.mem_size = (size_t)200 << 20, .mem_buffer = NULL, .no_alloc = false};
    struct ggml_context *memory = ggml_init(room);
    struct gguf_context *file = gguf_init_empty();
    gguf_set_val_str(file, "general.architecture", "llama");
    gguf_set_val_str(file, "general.name", "random weights, for measuring speed");
    gguf_set_val_u32(file, "general.file_type", 7);
    gguf_set_val_u32(file, "llama.context_length", CONTEXT);
    gguf_set_val_u32(file, "llama.embedding_length", WIDTH);
    gguf_set_val_u32(file, "llama.block_count", BLOCKS);
    gguf_set_val_u32(file, "llama.feed_forward_length", FEED);
    gguf_set_val_u32(file, "llama.attention.head_count", HEADS);
    gguf_set_val_u32(file, "llama.attention.head_count_kv", KV_HEADS);
    gguf_set_val_f32(file, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_set_val_u32(file, "llama.rope.dimension_count", WIDTH / HEADS);
    gguf_set_val_f32(file, "llama.rope.freq_base", 10000.0f);
    gguf_set_val_u32(file, "llama.vocab_size", VOCABULARY);

    char (*texts)[24] = calloc(VOCABULARY, sizeof *texts);
    const char **tokens = calloc(VOCABULARY, sizeof *tokens);
    float *scores = calloc(VOCABULARY, sizeof *scores);
    int32_t *kinds = calloc(VOCABULARY, sizeof *kinds);
    const char *special[] = {"<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"};
    for (int token = 0; token < VOCABULARY; token++) {
        const int byte = token - 5;
        const int code = byte - 256 + 32;
        kinds[token] = token == 0 ? 2 : token < 5 ? 3 : byte < 256 ? 6 : 1;
        if (token < 5) snprintf(texts[token], sizeof texts[token], "%s", special[token]);
        else if (byte < 256) snprintf(texts[token], sizeof texts[token], "<0x%02X>", byte);
        /* A space is U+2581 (SentencePiece). */
        else if (code == 32) snprintf(texts[token], sizeof texts[token], "\xe2\x96\x81");
        else if (code < 127) snprintf(texts[token], sizeof texts[token], "%c", code);
        else snprintf(texts[token], sizeof texts[token], "<filler %d>", token);
        tokens[token] = texts[token];
        scores[token] = -(float)token;
    }
    gguf_set_val_str(file, "tokenizer.ggml.model", "llama");
    gguf_set_arr_str(file, "tokenizer.ggml.tokens", tokens, VOCABULARY);
    gguf_set_arr_data(file, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores, VOCABULARY);
    gguf_set_arr_data(file, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, kinds, VOCABULARY);
    gguf_set_val_u32(file, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(file, "tokenizer.ggml.eos_token_id", END);
    gguf_set_val_u32(file, "tokenizer.ggml.unknown_token_id", 0);
    gguf_set_val_bool(file, "tokenizer.ggml.add_space_prefix", false);
    gguf_set_val_bool(file, "tokenizer.ggml.add_bos_token", true);
    gguf_set_val_str(file, "tokenizer.chat_template", TEMPLATE);

    const int key_width = WIDTH / HEADS * KV_HEADS;
    matrix(memory, file, "token_embd.weight", WIDTH, VOCABULARY);
    for (int block = 0; block < BLOCKS; block++) {
        char name[64];
#define NAME(part) (snprintf(name, sizeof name, "blk.%d." part ".weight", block), name)
        norm(memory, file, NAME("attn_norm"));
        matrix(memory, file, NAME("attn_q"), WIDTH, WIDTH);
        matrix(memory, file, NAME("attn_k"), WIDTH, key_width);
        matrix(memory, file, NAME("attn_v"), WIDTH, key_width);
        matrix(memory, file, NAME("attn_output"), WIDTH, WIDTH);
        norm(memory, file, NAME("ffn_norm"));
        matrix(memory, file, NAME("ffn_gate"), WIDTH, FEED);
        matrix(memory, file, NAME("ffn_up"), WIDTH, FEED);
        matrix(memory, file, NAME("ffn_down"), FEED, WIDTH);
    }
    norm(memory, file, "output_norm.weight");
    matrix(memory, file, "output.weight", WIDTH, VOCABULARY);
    if (!gguf_write_to_file(file, argv[1], false)) {
        fprintf(stderr, "model: %s can't be written\n", argv[1]);
        return 1;
    }
    return 0;
}
