/* C ABI between a media node and the plugins that it loads. Generated from the crate media-plugin-abi; do not edit.
 *
 * A plugin is a shared library named libmedia_node_*.so (.dylib, .dll) that exports two symbols:
 *
 *   MN_NOTE(flags, "id", "version", "codec:ID output:ID");   read from the file before any of its code runs
 *   MN_EXPORT const mn_plugin *media_node_plugin_entry_v1(const mn_host *host);
 *
 * Structs begin with their size, and a minor version only appends fields. Both sides read and write a struct of
 * the other side up to its struct_size only. Pointers are not NULL unless this header permits it. A call that fails
 * fills in its mn_error. No call may throw, longjmp out, or end the process.
 *
 * Audio is interleaved float, nominal range +-1. Lengths of audio are counted in frames: one sample per channel.
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

/* Defines and exports the note. */
#define MN_NOTE(flags, id, version, provides)                                              \
    MN_EXPORT const mn_abi_note media_node_plugin_abi;                                     \
    MN_IN_NOTE_SECTION const mn_abi_note media_node_plugin_abi = {                         \
        (uint32_t)sizeof(mn_abi_note), MN_ABI_MAJOR, MN_ABI_MINOR, "mn-plug", flags, id, version, provides}


// Flag of a codec: decoding returns exactly the encoded samples.
#define MN_CODEC_LOSSLESS 1

// Value of a field of mn_limits that sets no limit.
#define MN_NO_LIMIT UINT32_MAX

// Major version. Another major version is an incompatible ABI with another entry symbol.
#define MN_ABI_MAJOR 1

// Minor version. A higher one only appends fields to structs.
#define MN_ABI_MINOR 2

// Flag of the note: a panic aborts the process. The host refuses such a plugin.
#define MN_NOTE_PANIC_ABORT 1

// Log level: a call has failed or is about to fail.
#define MN_LOG_ERROR 1

// Log level: something unusual that the plugin could handle.
#define MN_LOG_WARN 2

// Log level: information for the node's user.
#define MN_LOG_INFO 3

// Log level: information for the plugin's author.
#define MN_LOG_DEBUG 4

// Length limit of a text, in bytes.
#define MN_MAX_STRING 4096

// Sample type that holds a source's samples exactly: 16-bit integers.
#define MN_S16 0

// Sample type: 24-bit integers.
#define MN_S24 1

// Sample type: 32-bit integers, whose last 8 bits a float cannot hold.
#define MN_S32 2

// Sample type: 32-bit floating point, nominal range +-1.
#define MN_F32 3

// Result of a call: MN_OK, or one of the negative codes. The host treats any other number as MN_FAILED.
typedef int32_t mn_status;

// Note that the host reads from the file before it runs any of the plugin's code. A plugin exports it as
// `media_node_plugin_abi` in the section MN_NOTE_SECTION. Text is UTF-8, padded with NUL to the end of its
// field.
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
  // Id of the whole library: 1 to 32 characters of [a-z0-9-].
  char id[32];
  // Version of the library, 1 to 32 characters.
  char version[32];
  // Codecs and outputs that the entry describes, in any order, separated by one space: "codec:flac
  // output:pipe".
  char provides[256];
} mn_abi_note;

// Text in UTF-8, at most MN_MAX_STRING bytes, without a NUL at the end. `ptr` may be NULL if `len` is 0. The
// layout never changes.
typedef struct mn_str {
  // First byte.
  const char *ptr;
  // Length in bytes.
  uint32_t len;
} mn_str;

// Format of interleaved audio. The layout never changes.
typedef struct mn_format {
  // Frames per second, 1 to 768000.
  uint32_t rate;
  // Samples per frame, 1 to 32, in the order of WAVE files: left, right, centre, LFE, ...
  uint32_t channels;
} mn_format;

// Format of a source.
typedef struct mn_source {
  // sizeof(mn_source) as the host knows it.
  uint32_t struct_size;
  // Sample type that holds its samples exactly: MN_S16 to MN_F32.
  uint32_t sample;
  // Rate and channels.
  struct mn_format format;
} mn_source;

// Limits set by a listener and by the node's policy.
typedef struct mn_limits {
  // sizeof(mn_limits) as the host knows it.
  uint32_t struct_size;
  // Highest bitrate in bit/s, or MN_NO_LIMIT.
  uint32_t bitrate;
  // Highest number of channels, or MN_NO_LIMIT.
  uint32_t channels;
  // Number of `rates`. 0 stands for any rate.
  uint32_t rate_count;
  // Rates that the listener's output supports, in frames per second. The source's own rate is the first
  // choice.
  const uint32_t *rates;
} mn_limits;

// One way to encode a source. The same choice gives the same bytes on every node.
typedef struct mn_choice {
  // sizeof(mn_choice) as the host knows it.
  uint32_t struct_size;
  // Bytes in `params`, which has no NUL at the end.
  uint32_t params_len;
  // Format of the encoder's input and of the decoder's output.
  struct mn_format format;
  // Parameters that change the bytes, in a canonical form of the codec: characters of [a-z0-9-].
  char params[32];
} mn_choice;

// Description of an error. It belongs to the host, which zeroes it before every call and reads it only if
// the call fails.
typedef struct mn_error {
  // sizeof(mn_error) as the host knows it.
  uint32_t struct_size;
  // Size needed, with MN_NO_SPACE only.
  uint32_t need;
  // Bytes in `text`, which has no NUL at the end. 0 stands for no text.
  uint32_t text_len;
  // One line of UTF-8 that names the operation and its input.
  char text[500];
} mn_error;

// Properties of a choice. For a chunk with the frames [a, b) of a track, the host feeds the frames [a -
// lead_in, b + lookahead + crossfade) to a new encoder and flushes it. It drops the first lead_in +
// lookahead frames that the decoder returns.
//
// If `joinable` is 1, one decoder can play a track's chunks one after another without a reset. The encoder
// then writes no packet for the lead-in, so the host drops only the first lookahead frames. With lookahead or
// crossfade, the first (b - a) / packet_frames packets of a chunk are its own, and the others are its tail. A
// decoder that plays on skips the tail.
//
// The plugin sets all fields of its version. The host presets each number of version 1.0 to UINT32_MAX, which
// is out of range, and each later one to 0.
typedef struct mn_encoding {
  // sizeof(mn_encoding) as the host knows it.
  uint32_t struct_size;
  // Nominal bitrate in bit/s.
  uint32_t bitrate;
  // Frames per call of `encode`, 1 to 65536.
  uint32_t packet_frames;
  // 1: the last call of a chunk also needs packet_frames frames, so the host adds the audio that follows.
  // 0: it may be shorter.
  uint32_t whole_packets;
  // Frames before the chunk that let the codec settle, at most 65536.
  uint32_t lead_in;
  // Delay of the codec in frames, at most 65536.
  uint32_t lookahead;
  // Frames after the end of the chunk that fade into the next one, at most 65536.
  uint32_t crossfade;
  // Size limit of a packet in bytes, 1 to 1048576.
  uint32_t max_packet_bytes;
  // Bytes in `config`.
  uint32_t config_len;
  // Configuration of the decoder. The host passes it to the client unchanged.
  uint8_t config[4096];
  // 1: chunks are joinable. 0: a decoder is reset before each chunk. Since version 1.2; a plugin writes it only
  // if `struct_size` includes it.
  uint32_t joinable;
} mn_encoding;

// A codec. The argument `codec` of its functions is its `object`.
//
// Threads: the host calls the functions of the codec from any thread, several at the same time. One thread
// at a time uses an encoder or decoder; different calls may come from different threads. Encoders run on
// worker threads. Decoders run on the playback thread, so their calls do not block.
//
// Buffers belong to the host and are valid during the call only. After an error the host only resets or
// frees an encoder, while a decoder accepts the next packet. After MN_PANICKED the host only frees an
// encoder or decoder.
typedef struct mn_codec {
  // sizeof(mn_codec) as the plugin knows it.
  uint32_t struct_size;
  // MN_CODEC_LOSSLESS, or 0.
  uint32_t flags;
  // Data of the plugin, which the host passes to every call. May be NULL.
  void *object;
  // Id on the wire, in the configuration and on the command line: 1 to 32 characters of [a-z0-9-].
  struct mn_str id;
  // Version of the codec, for people to read.
  struct mn_str version;
  // Description in one line.
  struct mn_str description;
  // Chooses how to encode `source` within `limits`. `options` is one JSON object, or empty. Returns
  // MN_UNSUPPORTED and names the limit that cannot be met, or MN_BAD_ARGUMENT and names the wrong option.
  mn_status (*propose)(void *codec,
                       const struct mn_source *source,
                       const struct mn_limits *limits,
                       struct mn_str options,
                       struct mn_choice *choice,
                       struct mn_error *error);
  // Sets the properties of `choice`, which depend on nothing else. The choice may come from a peer:
  // returns MN_BAD_ARGUMENT if `propose` never makes it.
  mn_status (*encoding)(void *codec,
                        const struct mn_choice *choice,
                        struct mn_encoding *encoding,
                        struct mn_error *error);
  // Creates an encoder.
  mn_status (*encoder_new)(void *codec, const struct mn_choice *choice, void **encoder, struct mn_error *error);
  // Encodes `frames` frames, at most packet_frames, into one packet. Sets `len` to its length in bytes, or
  // to 0 if the encoder needs more audio first.
  mn_status (*encode)(void *encoder,
                      const float *pcm,
                      uint32_t frames,
                      uint8_t *packet,
                      uint32_t capacity,
                      uint32_t *len,
                      struct mn_error *error);
  // Writes buffered audio at the end of a chunk, one packet per call. Sets `len` to 0 if nothing is left.
  // NULL: the encoder buffers nothing.
  mn_status (*flush)(void *encoder, uint8_t *packet, uint32_t capacity, uint32_t *len, struct mn_error *error);
  // Returns the encoder to its initial state.
  mn_status (*encoder_reset)(void *encoder, struct mn_error *error);
  // Frees the encoder.
  void (*encoder_free)(void *encoder);
  // Creates a decoder. Format and configuration come from a peer, so the codec checks them.
  mn_status (*decoder_new)(void *codec,
                           struct mn_format format,
                           const uint8_t *config,
                           uint32_t config_len,
                           void **decoder,
                           struct mn_error *error);
  // Decodes one packet, which comes from a peer and may hold any bytes. `pcm` has room for `capacity`
  // frames. Sets `frames` to the number written, which may be 0. Returns MN_CORRUPT if the packet is not
  // one of this codec, MN_NO_SPACE if `pcm` is too short. Does not block, and does not allocate after the
  // first packets.
  mn_status (*decode)(void *decoder,
                      const uint8_t *packet,
                      uint32_t len,
                      float *pcm,
                      uint32_t capacity,
                      uint32_t *frames,
                      struct mn_error *error);
  // Returns the decoder to its initial state.
  mn_status (*decoder_reset)(void *decoder, struct mn_error *error);
  // Frees the decoder.
  void (*decoder_free)(void *decoder);
  // Returns the codec's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
  const void *(*get_extension)(void *codec, struct mn_str id);
} mn_codec;

// One device of an output.
typedef struct mn_device {
  // sizeof(mn_device) as the plugin knows it.
  uint32_t struct_size;
  // 1: the output opens this device for an empty target.
  uint32_t is_default;
  // Target that opens the device. It stays the same between runs.
  struct mn_str id;
  // Name shown by the system.
  struct mn_str name;
  // Supported rates in frames per second.
  const uint32_t *rates;
  // Supported channel counts.
  const uint32_t *channels;
  // Number of rates, at most 64. 0 stands for any rate.
  uint32_t rate_count;
  // Number of channel counts, at most 64. 0 stands for any.
  uint32_t channels_count;
} mn_device;

// List of the host that receives the devices of an output. Valid during `devices` only.
typedef struct mn_device_list {
  // sizeof(mn_device_list) as the host knows it.
  uint32_t struct_size;
  // Copies one device into the list.
  void (*add)(struct mn_device_list *list, const struct mn_device *device);
} mn_device_list;

// Request to open an output.
typedef struct mn_open {
  // sizeof(mn_open) as the host knows it.
  uint32_t struct_size;
  // Sample type that holds the source's samples exactly: MN_S16 to MN_F32. A file output stores this type.
  uint32_t sample;
  // Preferred format.
  struct mn_format format;
  // Target, empty for the default.
  struct mn_str target;
  // One JSON object, or empty.
  struct mn_str options;
} mn_open;

// Properties of an open output, which do not change while it is open. The host presets every number to
// UINT32_MAX.
typedef struct mn_opened {
  // sizeof(mn_opened) as the host knows it.
  uint32_t struct_size;
  // 1: the output plays in real time. 0: it takes frames as fast as they come and has no underruns.
  uint32_t is_realtime;
  // Format that `write` takes, which may differ from the preferred one.
  struct mn_format format;
} mn_opened;

// A kind of output. The argument `plugin` of its functions is its `object`; `output` is an open output.
//
// Threads: the host calls `devices`, `open` and `get_extension` from any thread, several at the same time.
// One thread at a time uses an open output; different calls may come from different threads. No call on an
// open output blocks for longer than 50 ms.
//
// After MN_LOST the device is gone: the host frees the output and may open another. After MN_PANICKED the
// host only frees the output.
typedef struct mn_output {
  // sizeof(mn_output) as the plugin knows it.
  uint32_t struct_size;
  // 0.
  uint32_t flags;
  // Data of the plugin, which the host passes to `devices`, `open` and `get_extension`. May be NULL.
  void *object;
  // Id in the configuration and on the command line: 1 to 32 characters of [a-z0-9-].
  struct mn_str id;
  // Version of the output, for people to read.
  struct mn_str version;
  // Description in one line.
  struct mn_str description;
  // Meaning of a target, such as "a device id or name" or "a path".
  struct mn_str target;
  // Adds the devices to `list`, the default first. May take up to a second. NULL: the output has no
  // devices to choose from.
  mn_status (*devices)(void *plugin, struct mn_device_list *list, struct mn_error *error);
  // Opens a target. Sound starts with the first frames written. Returns MN_BAD_ARGUMENT if the target or
  // an option does not exist, MN_LOST if the target existed and is gone.
  mn_status (*open)(void *plugin,
                    const struct mn_open *open,
                    void **output,
                    struct mn_opened *opened,
                    struct mn_error *error);
  // Takes interleaved frames. Sets `taken` to their number, which is 0 while the output is paused, and if
  // it had no room for 50 ms.
  mn_status (*write)(void *output, const float *pcm, uint32_t frames, uint32_t *taken, struct mn_error *error);
  // Sets `frames` to the number of frames taken but not yet heard. 0 in a real-time output that is not
  // paused means an underrun.
  mn_status (*delay)(void *output, uint64_t *frames, struct mn_error *error);
  // 1: pauses. The output falls silent at once and keeps its frames. 0: resumes.
  mn_status (*pause)(void *output, uint32_t paused, struct mn_error *error);
  // Drops all frames not yet heard.
  mn_status (*flush)(void *output, struct mn_error *error);
  // Waits until all frames are heard, or stored in a file. Sets `done` to 1 then, or to 0 after 50 ms.
  mn_status (*drain)(void *output, uint32_t *done, struct mn_error *error);
  // Closes the output. Sound stops at once; a file keeps the frames written before.
  void (*free)(void *output);
  // Returns the output's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
  const void *(*get_extension)(void *plugin, struct mn_str id);
  // Since 1.1. Sets `count` to the number of underruns that the sound system has reported since `open`.
  // NULL: the system reports none.
  mn_status (*xruns)(void *output, uint64_t *count, struct mn_error *error);
} mn_output;

// Codecs and outputs of a library. This table and everything it points to stay unchanged until the process
// ends.
typedef struct mn_plugin {
  // sizeof(mn_plugin) as the plugin knows it.
  uint32_t struct_size;
  // MN_ABI_MAJOR.
  uint16_t abi_major;
  // MN_ABI_MINOR.
  uint16_t abi_minor;
  // Id of the library, as in the note.
  struct mn_str id;
  // Version of the library, as in the note.
  struct mn_str version;
  // Build of the library (compiler, date, commit) for people to read. May be empty.
  struct mn_str build;
  // Codecs, `codec_stride` bytes apart.
  const struct mn_codec *codecs;
  // Number of codecs, at most 64.
  uint32_t codec_count;
  // sizeof(mn_codec) as the plugin knows it.
  uint32_t codec_stride;
  // Outputs, `output_stride` bytes apart.
  const struct mn_output *outputs;
  // Number of outputs, at most 64.
  uint32_t output_count;
  // sizeof(mn_output) as the plugin knows it.
  uint32_t output_stride;
  // Returns the library's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
  const void *(*get_extension)(struct mn_str id);
} mn_plugin;

// Functions that the host offers to a plugin. The table stays valid and unchanged until the process ends.
typedef struct mn_host {
  // sizeof(mn_host) as the host knows it. A field that ends beyond this size does not exist.
  uint32_t struct_size;
  // MN_ABI_MAJOR of the host.
  uint16_t abi_major;
  // MN_ABI_MINOR of the host.
  uint16_t abi_minor;
  // Writes one line to the node's log. Any thread may call it. It may lock, so a plugin must not call it
  // for every packet.
  void (*log)(const struct mn_host *host, uint32_t level, struct mn_str text);
  // Returns the host's extension that has this id, as a pointer to the table that the extension defines,
  // or NULL.
  const void *(*get_extension)(const struct mn_host *host, struct mn_str id);
} mn_host;

// Entry of a library, exported as `media_node_plugin_entry_v1`. The host calls it under a lock; every call
// returns the same pointer. To refuse the host, the library logs the reason and returns NULL.
typedef const struct mn_plugin *(*mn_entry_v1)(const struct mn_host *host);

// Success.
#define MN_OK 0

// The request is invalid: a wrong option, a format out of range. The text names the permitted values.
#define MN_BAD_ARGUMENT -1

// The buffer is too small. `need` of mn_error holds the size needed, in bytes of a packet or samples of
// audio.
#define MN_NO_SPACE -2

// The request is valid, but this plugin does not support it.
#define MN_UNSUPPORTED -3

// There is not enough memory.
#define MN_OUT_OF_MEMORY -4

// The bytes to decode were not written by this codec, or are damaged. The decoder accepts the next packet.
#define MN_CORRUPT -5

// The device or file is gone. The host may open the output again.
#define MN_LOST -6

// Any other error, of the system or of a library.
#define MN_FAILED -7

// The plugin panicked. The host only frees the instance.
#define MN_PANICKED -8

/* Text from a string literal, for a constant table. */
#define MN_TEXT(literal) {literal, (uint32_t)(sizeof(literal) - 1)}

/* Text from a C string, which must live until the text is no longer used. */
static inline mn_str mn_text(const char *text) {
    mn_str str = {text, (uint32_t)strlen(text)};
    return str;
}

/* Fills in the text of an error and returns its status: return mn_fail(error, MN_CORRUPT, "..."); */
static inline mn_status mn_fail(mn_error *error, mn_status status, const char *text) {
    size_t len = strlen(text);
    if (len > sizeof error->text) len = sizeof error->text;
    memcpy(error->text, text, len);
    error->text_len = (uint32_t)len;
    return status;
}
