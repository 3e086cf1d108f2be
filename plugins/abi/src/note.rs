use std::ffi::c_char;

/// Major version. Another major version is an incompatible ABI with another entry symbol.
pub const MN_ABI_MAJOR: u16 = 1;
/// Minor version. A higher one only appends fields to structs.
pub const MN_ABI_MINOR: u16 = 2;
/// Flag of the note: a panic aborts the process. The host refuses such a plugin.
pub const MN_NOTE_PANIC_ABORT: u32 = 1;

/// Note that the host reads from the file before it runs any of the plugin's code. A plugin exports it as
/// `media_node_plugin_abi` in the section MN_NOTE_SECTION. Text is UTF-8, padded with NUL to the end of its
/// field.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_abi_note {
    /// sizeof(mn_abi_note) as the plugin knows it.
    pub struct_size: u32,
    /// MN_ABI_MAJOR.
    pub abi_major: u16,
    /// MN_ABI_MINOR.
    pub abi_minor: u16,
    /// "mn-plug", with its NUL.
    pub magic: [c_char; 8],
    /// MN_NOTE_PANIC_ABORT, or 0.
    pub flags: u32,
    /// Id of the whole library: 1 to 32 characters of [a-z0-9-].
    pub id: [c_char; 32],
    /// Version of the library, 1 to 32 characters.
    pub version: [c_char; 32],
    /// Codecs and outputs that the entry describes, in any order, separated by one space: "codec:flac
    /// output:pipe".
    pub provides: [c_char; 256],
}

impl mn_abi_note {
    /// Magic of every note.
    pub const MAGIC: [u8; 8] = *b"mn-plug\0";

    /// Creates the note of a library. In a constant, a text that is too long stops the build.
    ///
    /// # Panics
    /// If `id`, `version` or `provides` is longer than its field.
    #[must_use]
    pub const fn new(flags: u32, id: &str, version: &str, provides: &str) -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            abi_major: MN_ABI_MAJOR,
            abi_minor: MN_ABI_MINOR,
            magic: padded(&Self::MAGIC),
            flags,
            id: padded(id.as_bytes()),
            version: padded(version.as_bytes()),
            provides: padded(provides.as_bytes()),
        }
    }
}

const fn padded<const N: usize>(text: &[u8]) -> [c_char; N] {
    assert!(text.len() <= N, "a text of the plugin's note is too long");
    let mut field = [0; N];
    let mut at = 0;
    while at < text.len() {
        field[at] = text[at] as c_char;
        at += 1;
    }
    field
}
