/// A FLAC file that gets other tags in place of its own.
pub(crate) struct TaggedFlac {
    head: Vec<u8>,
    frames: Vec<u8>,
}

impl TaggedFlac {
    /// Splits a FLAC file into its head, up to the end of STREAMINFO, and its frames (RFC 9639, section 8).
    pub(crate) fn new(file: &[u8]) -> Self {
        let mut at = 4;
        loop {
            let block = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
            at += 4 + (block & 0xff_ffff) as usize;
            if block >> 31 == 1 {
                break;
            }
        }
        let mut head = file[..4 + 4 + 34].to_vec();
        head[4] = 0;
        Self { head, frames: file[at..].to_vec() }
    }

    /// The file with these Vorbis comments.
    pub(crate) fn with_tags(&self, tags: &[impl AsRef<str>]) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let mut body = [text("test"), (tags.len() as u32).to_le_bytes().to_vec()].concat();
        body.extend(tags.iter().flat_map(|tag| text(tag.as_ref())));
        let block = ((0x84 << 24) | body.len() as u32).to_be_bytes();
        [&self.head, &block[..], &body, &self.frames].concat()
    }
}
