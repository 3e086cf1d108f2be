#![allow(unsafe_code, reason = "structs are read up to their declared size")]

use std::mem::{MaybeUninit, offset_of};

use crate::{
    codec::{mn_choice, mn_codec, mn_limits, mn_source},
    note::mn_abi_note,
    output::{mn_device, mn_device_list, mn_open, mn_output},
    plugin::{mn_host, mn_plugin},
    status::{mn_format, mn_str},
};

/// A struct that begins with its `struct_size` and grows with minor versions.
///
/// # Safety
/// The type is `repr(C)`, begins with its size as a `u32`, and is valid if all its bytes are zero.
pub unsafe trait Versioned: Copy {
    /// Size of the struct in version 1.0, in bytes. No smaller struct exists.
    const FIRST_SIZE: usize;
}

/// Reads a struct of another version. Fields that its writer does not know are zero; fields that this version
/// does not know are dropped.
///
/// # Errors
/// The declared size, if it is smaller than in version 1.0.
///
/// # Safety
/// `from` begins with its `struct_size` and can be read for that number of bytes. It need not be aligned.
pub unsafe fn read<T: Versioned>(from: *const T) -> Result<T, u32> {
    // SAFETY: the caller guarantees the first four bytes.
    let declared = unsafe { from.cast::<u32>().read_unaligned() };
    if (declared as usize) < T::FIRST_SIZE {
        return Err(declared);
    }
    let size = (declared as usize).min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller guarantees `size` bytes at `from`, and `value` has room for them. The rest of
    // `value` is zero, which is valid in a `Versioned` struct.
    unsafe {
        from.cast::<u8>().copy_to_nonoverlapping(value.as_mut_ptr().cast(), size);
        Ok(value.assume_init())
    }
}

// Names the last field of each struct in version 1.0.
macro_rules! versioned {
    ($($name:ident ends with $last:ident: $type:ty;)*) => {$(
        // SAFETY: the struct is `repr(C)`, begins with its size, and holds numbers, raw pointers and optional
        // functions.
        unsafe impl Versioned for $name {
            const FIRST_SIZE: usize = offset_of!($name, $last) + size_of::<$type>();
        }
    )*};
}

versioned! {
    mn_abi_note ends with provides: [u8; 256];
    mn_choice ends with params: [u8; 32];
    mn_codec ends with get_extension: usize;
    mn_device ends with channels_count: u32;
    mn_device_list ends with add: usize;
    mn_host ends with get_extension: usize;
    mn_limits ends with rates: usize;
    mn_open ends with options: mn_str;
    mn_output ends with get_extension: usize;
    mn_plugin ends with get_extension: usize;
    mn_source ends with format: mn_format;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::MN_F32;

    #[repr(C)]
    #[derive(Debug, Clone, Copy)]
    struct Later {
        now: mn_source,
        appended: u64,
    }
    // SAFETY: as for `mn_source`, with a number appended.
    unsafe impl Versioned for Later {
        const FIRST_SIZE: usize = mn_source::FIRST_SIZE;
    }

    const NOW: mn_source = mn_source {
        struct_size: size_of::<mn_source>() as u32,
        sample: MN_F32,
        format: mn_format { rate: 48_000, channels: 2 },
    };

    #[test]
    fn a_later_reader_finds_zero_where_an_earlier_writer_had_nothing() {
        let now = NOW;
        // SAFETY: `now` declares its own size.
        let read = unsafe { read((&raw const now).cast::<Later>()) }.unwrap();
        assert_eq!((read.now.format, read.appended), (NOW.format, 0));
    }

    #[test]
    fn an_earlier_reader_leaves_out_what_a_later_writer_appended() {
        let now = mn_source { struct_size: size_of::<Later>() as u32, ..NOW };
        let later = Later { now, appended: 7 };
        // SAFETY: `later` declares its own size.
        let read = unsafe { read((&raw const later).cast::<mn_source>()) }.unwrap();
        assert_eq!((read.sample, read.format), (NOW.sample, NOW.format));
    }

    #[test]
    fn a_struct_that_is_too_small_is_refused() {
        let short = mn_source { struct_size: 4, ..NOW };
        // SAFETY: `short` declares four bytes, which can be read.
        assert_eq!(unsafe { read(&raw const short) }.map(|_| ()), Err(4));
    }
}
