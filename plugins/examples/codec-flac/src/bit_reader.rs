/// Result of parsing a FLAC frame, or the packet's fault.
pub(crate) type Result<T> = std::result::Result<T, &'static str>;

/// Reader of numbers from a bit stream, highest bit first.
pub(crate) struct BitReader<'a> {
    rest: &'a [u8],
    /// Next bits, from the highest on. Bits beyond `available` are 0.
    window: u64,
    available: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, window: 0, available: 0 }
    }

    fn refill(&mut self) {
        while self.available <= 56
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(*byte) << (56 - self.available);
            self.available += 8;
            self.rest = rest;
        }
    }

    fn skip(&mut self, bits: u32) {
        self.window = self.window.checked_shl(bits).unwrap_or(0);
        self.available -= bits;
    }

    /// Reads an unsigned number of up to 32 bits.
    pub(crate) fn unsigned(&mut self, bits: u32) -> Result<u32> {
        if self.available < bits {
            self.refill();
        }
        if self.available < bits {
            return Err("the frame ends too early");
        }
        let value = self.window.checked_shr(64 - bits).unwrap_or(0);
        self.skip(bits);
        Ok(value as u32)
    }

    /// Reads a number of up to 32 bits in two's complement.
    pub(crate) fn signed(&mut self, bits: u32) -> Result<i32> {
        let value = self.unsigned(bits)? as i32;
        let unused = 32 - bits;
        Ok(value.checked_shl(unused).map_or(0, |value| value >> unused))
    }

    /// Reads a unary number: the count of zeros before the next one, which is skipped.
    pub(crate) fn unary(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while self.window == 0 {
            zeros += self.available;
            self.available = 0;
            self.refill();
            if self.available == 0 {
                return Err("the frame ends too early");
            }
        }
        let more = self.window.leading_zeros();
        self.skip(more + 1);
        Ok(zeros + more)
    }
}
