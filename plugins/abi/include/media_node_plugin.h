/* The C ABI between a media node and the plugins that it loads. Generated from the crate media-plugin-abi; do not edit.
 *
 * A plugin is a shared library named libmedia_node_*.so (.dylib, .dll) that exports two symbols:
 *
 *   MN_NOTE(flags, "id", "version", "codec:ID output:ID");   what it is, read before any of its code runs
 *   MN_EXPORT const mn_plugin *media_node_plugin_entry_v1(const mn_host *host);
 *
 * Structs begin with their size. A minor version only appends fields: whoever reads a struct reads no further than its
 * struct_size, whoever fills one that was given writes no further. Pointers are not NULL unless it says so here. A call
 * that fails fills in its mn_error. No call may throw, longjmp out, or end the process.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__cplusplus)
#define MN_EXTERN extern "C"
#else
#define MN_EXTERN extern
#endif

#if defined(_WIN32)
#define MN_EXPORT MN_EXTERN __declspec(dllexport)
#define MN_NOTE_SECTION ".mn_abi"
#elif defined(__APPLE__)
#define MN_EXPORT MN_EXTERN __attribute__((visibility("default")))
#define MN_NOTE_SECTION "__DATA,__mn_abi"
#else
#define MN_EXPORT MN_EXTERN __attribute__((visibility("default")))
#define MN_NOTE_SECTION ".mn_abi"
#endif

#if defined(_MSC_VER)
#pragma section(".mn_abi", read)
#define MN_IN_NOTE_SECTION __declspec(allocate(MN_NOTE_SECTION))
#else
#define MN_IN_NOTE_SECTION __attribute__((section(MN_NOTE_SECTION), used))
#endif

/* Defines the note. */
#define MN_NOTE(flags, id, version, provides)                                              \
    MN_EXPORT const mn_abi_note media_node_plugin_abi;                                     \
    MN_IN_NOTE_SECTION const mn_abi_note media_node_plugin_abi = {                         \
        (uint32_t)sizeof(mn_abi_note), MN_ABI_MAJOR, MN_ABI_MINOR, "mn-plug", flags, id, version, provides}


// Flag of a codec: decoding gives back exactly what was encoded.
#define MN_CODEC_LOSSLESS 1

// No limit, in mn_limits.
#define MN_NO_LIMIT UINT32_MAX

// The major version: another one is another ABI, with another entry symbol.
#define MN_ABI_MAJOR 1

// The minor version: a higher one only appends fields to structs.
#define MN_ABI_MINOR 1

// Flag of the note: a panic ends the process. The host refuses such a plugin.
#define MN_NOTE_PANIC_ABORT 1

// A message that something is about to fail, or has failed.
#define MN_LOG_ERROR 1

// A message about what is odd.
#define MN_LOG_WARN 2

// A message that a person may want to see.
#define MN_LOG_INFO 3

// A message for the plugin's author.
#define MN_LOG_DEBUG 4

// The longest text, in bytes.
#define MN_MAX_STRING 4096

// What samples fit into exactly: 16-bit integers.
#define MN_S16 0

// 24-bit integers.
#define MN_S24 1

// 32-bit integers, whose last 8 bits are lost in a float.
#define MN_S32 2

// 32-bit floating point, nominal +-1.
#define MN_F32 3

// What a call came to: MN_OK, or one of the negative codes. The host takes any other number for a failure.
typedef int32_t mn_status;

// What a host reads from the file before it runs any of the plugin's code. Export it as `media_node_plugin_abi`, in the
// section MN_NOTE_SECTION. Text is UTF-8, padded with NUL to the end of its field.
typedef struct mn_abi_note {
  // sizeof(mn_abi_note) as the plugin knows it.
  uint32_t struct_size;
  // MN_ABI_MAJOR.
  uint16_t abi_major;
  // MN_ABI_MINOR.
  uint16_t abi_minor;
  // "mn-plug", with its NUL.
  char magic[8];
  // MN_NOTE_PANIC_ABORT, or 0.
  uint32_t flags;
  // The id of the whole library: [a-z0-9-], 1 to 32 characters.
  char id[32];
  // Its version, 1 to 32 characters.
  char version[32];
  // What the entry will describe, in any order, with one space between: "codec:flac output:pipe".
  char provides[256];
} mn_abi_note;

// Text: UTF-8, at most MN_MAX_STRING bytes, no NUL at the end. `ptr` may be NULL if `len` is 0. The layout never changes.
typedef struct mn_str {
  // The first byte.
  const char *ptr;
  // Bytes.
  uint32_t len;
} mn_str;

// The shape of interleaved audio. The layout never changes.
typedef struct mn_format {
  // Frames per second, 1 to 768000.
  uint32_t rate;
  // Samples per frame, 1 to 32, in the WAVE order (left, right, centre, LFE, ...).
  uint32_t channels;
} mn_format;

// What a source holds.
typedef struct mn_source {
  // sizeof(mn_source) as the host knows it.
  uint32_t struct_size;
  // What its samples fit into exactly: MN_S16 to MN_F32.
  uint32_t sample;
  // Rate and channels.
  struct mn_format format;
} mn_source;

// What a listener and a policy allow.
typedef struct mn_limits {
  // sizeof(mn_limits) as the host knows it.
  uint32_t struct_size;
  // The highest bitrate, in bit/s, or MN_NO_LIMIT.
  uint32_t bitrate;
  // The most channels, or MN_NO_LIMIT.
  uint32_t channels;
  // How many rates there are; 0: any.
  uint32_t rate_count;
  // The rates that the listener's output takes; the source's own is the first choice.
  const uint32_t *rates;
} mn_limits;

// One way to encode. The same choice gives the same bytes on every node.
typedef struct mn_choice {
  // sizeof(mn_choice) as the host knows it.
  uint32_t struct_size;
  // Bytes of `params`, without a NUL.
  uint32_t params_len;
  // What the encoder takes and the decoder gives.
  struct mn_format format;
  // All that changes the bytes, in the codec's own canonical form: [a-z0-9-].
  char params[32];
} mn_choice;

// Why a call failed. It belongs to the host, is zeroed before every call, and is read only if the call fails.
typedef struct mn_error {
  // sizeof(mn_error) as the host knows it.
  uint32_t struct_size;
  // With MN_NO_SPACE: how much is needed.
  uint32_t need;
  // Bytes of `text`, without a NUL; 0: no text.
  uint32_t text_len;
  // One line of UTF-8 that names what was being done and with what.
  char text[500];
} mn_error;

// What a choice comes to. For a chunk, the frames [a, b), the host feeds [a - lead_in, b + lookahead + crossfade) to a
// fresh encoder, then flushes it; of what the decoder gives it throws lead_in + lookahead frames away.
//
// The host presets every number to UINT32_MAX, which is out of bounds: the plugin sets them all.
typedef struct mn_encoding {
  // sizeof(mn_encoding) as the host knows it.
  uint32_t struct_size;
  // The nominal bitrate, in bit/s.
  uint32_t bitrate;
  // Frames that the encoder takes per call, 1 to 65536.
  uint32_t packet_frames;
  // 1: the last call of a chunk is filled up to packet_frames with the audio that follows; 0: it may be shorter.
  uint32_t whole_packets;
  // Frames fed before the chunk so that the codec has settled when it begins, at most 65536.
  uint32_t lead_in;
  // By how many frames the codec delays what goes through it, at most 65536.
  uint32_t lookahead;
  // Frames after the chunk's end that fade into the next, at most 65536.
  uint32_t crossfade;
  // The longest packet, in bytes, 1 to 1048576.
  uint32_t max_packet_bytes;
  // Bytes of `config`.
  uint32_t config_len;
  // What the decoder needs to know; carried to the client as it is.
  uint8_t config[4096];
} mn_encoding;

// A codec. `codec` below is its `object`; it is shared: any thread may call, at once. An encoder or decoder has one user
// at a time, on any thread. Buffers are the host's and valid during the call only.
//
// After a call fails, an encoder is only reset or freed, while a decoder goes on with the next packet. After
// MN_PANICKED an instance is only freed.
typedef struct mn_codec {
  // sizeof(mn_codec) as the plugin knows it.
  uint32_t struct_size;
  // MN_CODEC_LOSSLESS, or 0.
  uint32_t flags;
  // The plugin's own, given back in every call; may be NULL.
  void *object;
  // The id on the wire, in config and on the command line: [a-z0-9-], 1 to 32 characters.
  struct mn_str id;
  // The version.
  struct mn_str version;
  // One line about it.
  struct mn_str description;
  // Chooses how to encode `source` within `limits`. `options` is one JSON object, or empty.
  // MN_UNSUPPORTED with the limit that cannot be met; MN_BAD_ARGUMENT with the option that is wrong.
  mn_status (*propose)(void *codec,
                       const struct mn_source *source,
                       const struct mn_limits *limits,
                       struct mn_str options,
                       struct mn_choice *choice,
                       struct mn_error *error);
  // What `choice` comes to; it depends on nothing else. The choice may come from a peer: MN_BAD_ARGUMENT if it is not
  // one that `propose` makes.
  mn_status (*encoding)(void *codec,
                        const struct mn_choice *choice,
                        struct mn_encoding *encoding,
                        struct mn_error *error);
  // Makes an encoder.
  mn_status (*encoder_new)(void *codec, const struct mn_choice *choice, void **encoder, struct mn_error *error);
  // Encodes `frames` frames, packet_frames or fewer. Sets `len`, in bytes; 0: more audio is needed first.
  mn_status (*encode)(void *encoder,
                      const float *pcm,
                      uint32_t frames,
                      uint8_t *packet,
                      uint32_t capacity,
                      uint32_t *len,
                      struct mn_error *error);
  // Writes what is still inside, one packet a call, until it sets `len` to 0. NULL: there is never anything.
  mn_status (*flush)(void *encoder, uint8_t *packet, uint32_t capacity, uint32_t *len, struct mn_error *error);
  // Makes the encoder as new.
  mn_status (*encoder_reset)(void *encoder, struct mn_error *error);
  // Ends the encoder.
  void (*encoder_free)(void *encoder);
  // Makes a decoder. Format and configuration come from a peer.
  mn_status (*decoder_new)(void *codec,
                           struct mn_format format,
                           const uint8_t *config,
                           uint32_t config_len,
                           void **decoder,
                           struct mn_error *error);
  // Decodes one packet, which may hold anything, into room for `capacity` frames. Sets `frames`, maybe 0.
  // MN_CORRUPT, MN_NO_SPACE. It does not allocate once it is warm.
  mn_status (*decode)(void *decoder,
                      const uint8_t *packet,
                      uint32_t len,
                      float *pcm,
                      uint32_t capacity,
                      uint32_t *frames,
                      struct mn_error *error);
  // Makes the decoder as new.
  mn_status (*decoder_reset)(void *decoder, struct mn_error *error);
  // Ends the decoder.
  void (*decoder_free)(void *decoder);
  // What else this codec offers, by id, or NULL. The function itself may be NULL.
  const void *(*get_extension)(void *codec, struct mn_str id);
} mn_codec;

// One place where an output can play.
typedef struct mn_device {
  // sizeof(mn_device) as the plugin knows it.
  uint32_t struct_size;
  // 1: sound goes here when no target is named.
  uint32_t is_default;
  // What to write as the target, stable between runs.
  struct mn_str id;
  // The name that the system shows.
  struct mn_str name;
  // The rates that it takes.
  const uint32_t *rates;
  // The channel counts that it takes.
  const uint32_t *channels;
  // How many rates, at most 64; 0: any.
  uint32_t rate_count;
  // How many channel counts, at most 64; 0: any.
  uint32_t channels_count;
} mn_device;

// Where an output puts its devices, during `devices` only. The host's.
typedef struct mn_device_list {
  // sizeof(mn_device_list) as the host knows it.
  uint32_t struct_size;
  // Copies one device into the list.
  void (*add)(struct mn_device_list *list, const struct mn_device *device);
} mn_device_list;

// What to open.
typedef struct mn_open {
  // sizeof(mn_open) as the host knows it.
  uint32_t struct_size;
  // What the samples fit into exactly: MN_S16 to MN_F32. A file stores them so.
  uint32_t sample;
  // The format that is wished for.
  struct mn_format format;
  // The target, empty for the default.
  struct mn_str target;
  // One JSON object, or empty.
  struct mn_str options;
} mn_open;

// What was opened; the host presets every number to UINT32_MAX. It does not change while the output is open.
typedef struct mn_opened {
  // sizeof(mn_opened) as the host knows it.
  uint32_t struct_size;
  // 1: it plays in real time; 0: it takes frames as fast as they come, and has no underruns.
  uint32_t is_realtime;
  // The format that `write` takes, perhaps not the one that was wished for.
  struct mn_format format;
} mn_opened;

// A kind of output. `plugin` below is its `object`; it is shared: any thread may call, at once. An open output has one
// user at a time, on any thread, and no call on it blocks for longer than 50 ms.
//
// MN_LOST: the device is gone, the host frees the output and may open again. After MN_PANICKED it is only freed.
typedef struct mn_output {
  // sizeof(mn_output) as the plugin knows it.
  uint32_t struct_size;
  // 0.
  uint32_t flags;
  // The plugin's own, given back in every call; may be NULL.
  void *object;
  // The id in config and on the command line: [a-z0-9-], 1 to 32 characters.
  struct mn_str id;
  // The version.
  struct mn_str version;
  // One line about it.
  struct mn_str description;
  // What a target is: "a device id or name", "a path".
  struct mn_str target;
  // Adds the places where it can play to `list`, the default first. May take a second. NULL: there are none to
  // choose from.
  mn_status (*devices)(void *plugin, struct mn_device_list *list, struct mn_error *error);
  // Opens a target; it starts to sound with the first frames written. MN_BAD_ARGUMENT for a target or an option that
  // does not exist, MN_LOST for a target that is there no more.
  mn_status (*open)(void *plugin,
                    const struct mn_open *open,
                    void **output,
                    struct mn_opened *opened,
                    struct mn_error *error);
  // Hands over interleaved frames. Sets `taken`, maybe 0 if there was no room for 50 ms. Takes none while paused.
  mn_status (*write)(void *output, const float *pcm, uint32_t frames, uint32_t *taken, struct mn_error *error);
  // Sets `frames`: handed over but not yet heard. 0 while playing in real time means that it has run dry.
  mn_status (*delay)(void *output, uint64_t *frames, struct mn_error *error);
  // 1: falls silent at once and keeps what it was given; 0: goes on.
  mn_status (*pause)(void *output, uint32_t paused, struct mn_error *error);
  // Throws away what was handed over and not yet heard.
  mn_status (*flush)(void *output, struct mn_error *error);
  // Waits until what was handed over is heard, or stored, for 50 ms at most. Sets `done` to whether it is, 1 or 0.
  mn_status (*drain)(void *output, uint32_t *done, struct mn_error *error);
  // Stops at once; a file keeps what was written.
  void (*free)(void *output);
  // What else this output offers, by id, or NULL. The function itself may be NULL.
  const void *(*get_extension)(void *plugin, struct mn_str id);
  // Since 1.1. Sets `count`: how often since it was opened the sound system said that it ran out of frames. May be NULL
  // where nobody can say.
  mn_status (*xruns)(void *output, uint64_t *count, struct mn_error *error);
} mn_output;

// What a library provides. It, and all that it points to, stays as it is for as long as the process runs.
typedef struct mn_plugin {
  // sizeof(mn_plugin) as the plugin knows it.
  uint32_t struct_size;
  // MN_ABI_MAJOR.
  uint16_t abi_major;
  // MN_ABI_MINOR.
  uint16_t abi_minor;
  // As in the note.
  struct mn_str id;
  // As in the note.
  struct mn_str version;
  // What built it (compiler, date, commit), for a person to read; may be empty.
  struct mn_str build;
  // Descriptors of codecs, `codec_stride` bytes apart.
  const struct mn_codec *codecs;
  // How many, at most 64.
  uint32_t codec_count;
  // sizeof(mn_codec) as the plugin knows it.
  uint32_t codec_stride;
  // Descriptors of outputs, `output_stride` bytes apart.
  const struct mn_output *outputs;
  // How many, at most 64.
  uint32_t output_count;
  // sizeof(mn_output) as the plugin knows it.
  uint32_t output_stride;
  // What else this library offers, by id, or NULL. The function itself may be NULL.
  const void *(*get_extension)(struct mn_str id);
} mn_plugin;

// What the host offers to a plugin. It stays valid for as long as the process runs.
typedef struct mn_host {
  // sizeof(mn_host) as the host knows it: a field that ends beyond it does not exist.
  uint32_t struct_size;
  // The host's MN_ABI_MAJOR.
  uint16_t abi_major;
  // The host's MN_ABI_MINOR.
  uint16_t abi_minor;
  // Writes one line to the node's log. Any thread, but not for every packet.
  void (*log)(const struct mn_host *host, uint32_t level, struct mn_str text);
  // What else this host offers, by id: a pointer to a table that the id's documentation describes, or NULL.
  const void *(*get_extension)(const struct mn_host *host, struct mn_str id);
} mn_host;

// The entry, exported as `media_node_plugin_entry_v1`. The host calls it under a lock, and called again it says the same.
// NULL: the plugin refuses, after it has logged why.
typedef const struct mn_plugin *(*mn_entry_v1)(const struct mn_host *host);

// Done.
#define MN_OK 0

// The caller asked for what cannot be: a wrong option, a format out of range. The text says what is allowed.
#define MN_BAD_ARGUMENT -1

// The buffer is too small; `need` of mn_error says what would do, in bytes of a packet or samples of audio.
#define MN_NO_SPACE -2

// Possible in principle, but not with this plugin.
#define MN_UNSUPPORTED -3

// There is not enough memory.
#define MN_OUT_OF_MEMORY -4

// The bytes to decode are not what this codec wrote.
#define MN_CORRUPT -5

// The device or file is gone; opening again may work.
#define MN_LOST -6

// Anything else, from the system or a library.
#define MN_FAILED -7

// The plugin panicked. The instance may only be freed.
#define MN_PANICKED -8

/* A text from a string literal, for a constant table. */
#define MN_TEXT(literal) {literal, (uint32_t)(sizeof(literal) - 1)}

/* A text from a C string, which must outlive its use. */
static inline mn_str mn_text(const char *text) {
    mn_str str = {text, (uint32_t)strlen(text)};
    return str;
}

/* Fills in why a call fails and gives back its status: return mn_fail(error, MN_CORRUPT, "..."); */
static inline mn_status mn_fail(mn_error *error, mn_status status, const char *text) {
    size_t len = strlen(text);
    if (len > sizeof error->text) len = sizeof error->text;
    memcpy(error->text, text, len);
    error->text_len = (uint32_t)len;
    return status;
}
