/// Why a packet is no frame of FLAC.
pub(crate) type Result<T> = std::result::Result<T, &'static str>;

/// Reads numbers from the highest bit on.
pub(crate) struct Bits<'a> {
    rest: &'a [u8],
    /// The next bits, from the highest on; those beyond `held` are 0.
    window: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, window: 0, held: 0 }
    }

    fn refill(&mut self) {
        while self.held <= 56
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(*byte) << (56 - self.held);
            self.held += 8;
            self.rest = rest;
        }
    }

    fn skip(&mut self, bits: u32) {
        self.window = self.window.checked_shl(bits).unwrap_or(0);
        self.held -= bits;
    }

    /// `bits` is 32 at most.
    pub(crate) fn unsigned(&mut self, bits: u32) -> Result<u32> {
        if self.held < bits {
            self.refill();
        }
        if self.held < bits {
            return Err("it ends too soon");
        }
        let value = self.window.checked_shr(64 - bits).unwrap_or(0);
        self.skip(bits);
        Ok(value as u32)
    }

    /// In two's complement; `bits` is 32 at most.
    pub(crate) fn signed(&mut self, bits: u32) -> Result<i32> {
        let value = self.unsigned(bits)? as i32;
        let unused = 32 - bits;
        Ok(value.checked_shl(unused).map_or(0, |value| value >> unused))
    }

    /// How many zeros stand before the next one.
    pub(crate) fn unary(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while self.window == 0 {
            zeros += self.held;
            self.held = 0;
            self.refill();
            if self.held == 0 {
                return Err("it ends too soon");
            }
        }
        let more = self.window.leading_zeros();
        self.skip(more + 1);
        Ok(zeros + more)
    }
}

/// The sum over a frame and the sum at its end, which is 0 (section 9.3).
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = table();
    bytes.iter().fold(0, |sum, byte| sum << 8 ^ TABLE[usize::from(sum.to_be_bytes()[0] ^ byte)])
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut sum = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 15 == 1 { sum << 1 ^ 0x8005 } else { sum << 1 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
}
