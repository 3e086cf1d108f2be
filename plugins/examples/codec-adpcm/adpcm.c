/* IMA ADPCM: 4 bits a sample, with very little CPU time.
 *
 * Layout of a packet: number of frames (16 bits, little-endian); for each channel, its first sample (16 bits, little-endian)
 * and its first step index (8 bits); then for each channel its other samples, 4 bits each, the lower half of a byte first.
 * A packet can be decoded alone, so encoder and decoder keep no state. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "media_node_plugin.h"

enum { PACKET_FRAMES = 1024, INDEXES = 89 };

/* Step sizes, and changes of the step index by code: "Recommended Practices for Enhancing Digital Audio Compatibility in Multimedia Systems", IMA 1992. */
static const int STEPS[INDEXES] = {
    7,     8,     9,     10,    11,    12,    13,    14,    16,    17,    19,    21,    23,    25,   28,
    31,    34,    37,    41,    45,    50,    55,    60,    66,    73,    80,    88,    97,    107,  118,
    130,   143,   157,   173,   190,   209,   230,   253,   279,   307,   337,   371,   408,   449,  494,
    544,   598,   658,   724,   796,   876,   963,   1060,  1166,  1282,  1411,  1552,  1707,  1878, 2066,
    2272,  2499,  2749,  3024,  3327,  3660,  4026,  4428,  4871,  5358,  5894,  6484,  7132,  7845, 8630,
    9493,  10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767};
static const int MOVES[8] = {-1, -1, -1, -1, 2, 4, 6, 8};

typedef struct {
    int sample, index;
} predictor;

/* Instance of an encoder or a decoder. */
typedef struct {
    uint32_t channels;
} stream;

static int clamp(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

/* Decodes a code of 4 bits: a sign, and a multiple of an eighth of the step. The encoder calls it too, to stay in step. */
static int decode_sample(predictor *it, int bits) {
    int step = STEPS[it->index];
    int by = (step >> 3) + (bits & 4 ? step : 0) + (bits & 2 ? step >> 1 : 0) + (bits & 1 ? step >> 2 : 0);
    it->sample = clamp(it->sample + (bits & 8 ? -by : by), -32768, 32767);
    it->index = clamp(it->index + MOVES[bits & 7], 0, INDEXES - 1);
    return it->sample;
}

/* Returns the code for a sample and updates the predictor. */
static int encode_sample(predictor *it, int sample) {
    int by = abs(sample - it->sample), bits = sample < it->sample ? 8 : 0;
    for (int bit = 4, part = STEPS[it->index]; bit; bit >>= 1, part >>= 1) {
        if (by < part) continue;
        by -= part;
        bits |= bit;
    }
    decode_sample(it, bits);
    return bits;
}

/* Converts a sample to 16 bits. Values beyond +-1 clip; NaN becomes 0. */
static int integer(float sample) {
    if (!(sample > -1.0f)) return sample <= -1.0f ? -32768 : 0;
    return sample >= 1.0f ? 32767 : clamp((int)lrintf(sample * 32768.0f), -32768, 32767);
}

/* Index of the first step: the mean change of the first 9 samples of a channel. */
static int first_index(const float *pcm, uint32_t frames, uint32_t channels) {
    int sum = 0, count = (int)(frames < 9 ? frames : 9) - 1, index = 0;
    for (int i = 0; i < count; i++) sum += abs(integer(pcm[(i + 1) * channels]) - integer(pcm[i * channels]));
    while (index < INDEXES - 1 && STEPS[index] * count < sum) index++;
    return index;
}

static uint32_t packet_bytes(uint32_t frames, uint32_t channels) { return 2 + channels * (3 + frames / 2); }

static uint32_t bitrate(mn_format format) {
    uint64_t bits = 8ull * packet_bytes(PACKET_FRAMES, format.channels);
    return (uint32_t)(bits * format.rate / PACKET_FRAMES);
}

static mn_status propose(void *self, const mn_source *source, const mn_limits *limits, mn_str options,
                         mn_choice *choice, mn_error *error) {
    (void)self;
    if (options.len && (options.len != 2 || memcmp(options.ptr, "{}", 2) != 0))
        return mn_fail(error, MN_BAD_ARGUMENT, "codec adpcm has no options: remove [codec.adpcm]");
    choice->format = source->format;
    if (choice->format.channels > limits->channels) choice->format.channels = limits->channels;
    if (bitrate(choice->format) > limits->bitrate) {
        char text[160];
        snprintf(text, sizeof text, "ADPCM needs %lu bit/s and the limit is %lu; raise the limit or choose another codec",
                 (unsigned long)bitrate(choice->format), (unsigned long)limits->bitrate);
        return mn_fail(error, MN_UNSUPPORTED, text);
    }
    memcpy(choice->params, "ima4", 4);
    choice->params_len = 4;
    return MN_OK;
}

static mn_status encoding(void *self, const mn_choice *choice, mn_encoding *encoding, mn_error *error) {
    (void)self;
    if (choice->params_len != 4 || memcmp(choice->params, "ima4", 4) != 0)
        return mn_fail(error, MN_BAD_ARGUMENT, "codec adpcm has only the parameters ima4");
    encoding->bitrate = bitrate(choice->format);
    encoding->packet_frames = PACKET_FRAMES;
    encoding->whole_packets = 0;
    encoding->lead_in = encoding->lookahead = encoding->crossfade = 0;
    encoding->max_packet_bytes = packet_bytes(PACKET_FRAMES, choice->format.channels);
    encoding->config_len = 0;
    return MN_OK;
}

static mn_status stream_new(uint32_t channels, void **made, mn_error *error) {
    stream *it = malloc(sizeof *it);
    if (!it) return mn_fail(error, MN_OUT_OF_MEMORY, "no memory for an ADPCM encoder or decoder");
    it->channels = channels;
    *made = it;
    return MN_OK;
}

static mn_status encoder_new(void *self, const mn_choice *choice, void **encoder, mn_error *error) {
    mn_encoding ignored;
    mn_status status = encoding(self, choice, &ignored, error);
    return status ? status : stream_new(choice->format.channels, encoder, error);
}

static mn_status decoder_new(void *self, mn_format format, const uint8_t *config, uint32_t config_len, void **decoder,
                             mn_error *error) {
    (void)self, (void)config;
    if (config_len) return mn_fail(error, MN_BAD_ARGUMENT, "ADPCM has no configuration");
    return stream_new(format.channels, decoder, error);
}

static mn_status encode(void *encoder, const float *pcm, uint32_t frames, uint8_t *packet, uint32_t capacity,
                        uint32_t *len, mn_error *error) {
    uint32_t channels = ((stream *)encoder)->channels;
    if (frames < 1 || frames > PACKET_FRAMES) return mn_fail(error, MN_BAD_ARGUMENT, "ADPCM takes 1 to 1024 frames");
    *len = packet_bytes(frames, channels);
    if ((error->need = *len) > capacity) return MN_NO_SPACE;
    packet[0] = (uint8_t)frames;
    packet[1] = (uint8_t)(frames >> 8);
    uint8_t *head = packet + 2, *body = head + 3 * channels;
    for (uint32_t channel = 0; channel < channels; channel++, pcm++, head += 3, body += frames / 2) {
        predictor it = {integer(pcm[0]), first_index(pcm, frames, channels)};
        head[0] = (uint8_t)it.sample;
        head[1] = (uint8_t)(it.sample >> 8);
        head[2] = (uint8_t)it.index;
        memset(body, 0, frames / 2);
        for (uint32_t i = 1; i < frames; i++)
            body[(i - 1) / 2] |= (uint8_t)(encode_sample(&it, integer(pcm[i * channels])) << (i % 2 ? 0 : 4));
    }
    return MN_OK;
}

static mn_status decode(void *decoder, const uint8_t *packet, uint32_t len, float *pcm, uint32_t capacity,
                        uint32_t *frames, mn_error *error) {
    uint32_t channels = ((stream *)decoder)->channels;
    uint32_t count = len < 2 ? 0 : packet[0] | (uint32_t)packet[1] << 8;
    if (count < 1 || count > PACKET_FRAMES || len != packet_bytes(count, channels))
        return mn_fail(error, MN_CORRUPT, "the length of the ADPCM packet does not fit its frame count");
    if (count > capacity) {
        error->need = count * channels;
        return MN_NO_SPACE;
    }
    const uint8_t *head = packet + 2, *body = head + 3 * channels;
    for (uint32_t channel = 0; channel < channels; channel++, pcm++, head += 3, body += count / 2) {
        predictor it = {(int16_t)(head[0] | head[1] << 8), head[2]};
        if (it.index >= INDEXES) return mn_fail(error, MN_CORRUPT, "the ADPCM packet has an invalid step index");
        pcm[0] = (float)it.sample / 32768.0f;
        for (uint32_t i = 1; i < count; i++)
            pcm[i * channels] = (float)decode_sample(&it, body[(i - 1) / 2] >> (i % 2 ? 0 : 4) & 15) / 32768.0f;
    }
    *frames = count;
    return MN_OK;
}

static mn_status reset(void *it, mn_error *error) {
    (void)it, (void)error;
    return MN_OK;
}

static const mn_codec CODEC = {
    sizeof(mn_codec), 0, NULL, MN_TEXT("adpcm"), MN_TEXT("0.1.0"), MN_TEXT("IMA ADPCM, 4 bits a sample"),
    propose, encoding, encoder_new, encode, NULL, reset, free, decoder_new, decode, reset, free, NULL,
};

static const mn_plugin PLUGIN = {
    sizeof(mn_plugin), MN_ABI_MAJOR, MN_ABI_MINOR, MN_TEXT("codec-adpcm"), MN_TEXT("0.1.0"), MN_TEXT("C"),
    &CODEC, 1, sizeof(mn_codec), NULL, 0, sizeof(mn_output), NULL,
};

MN_NOTE(0, "codec-adpcm", "0.1.0", "codec:adpcm");

MN_EXPORT const mn_plugin *media_node_plugin_entry_v1(const mn_host *host) {
    (void)host;
    return &PLUGIN;
}
