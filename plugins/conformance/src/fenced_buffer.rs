#![allow(unsafe_code, reason = "pages are allocated from the system and borrowed as slices")]

use std::{
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use region::Protection;

/// Guard pages on each side of a buffer. One page stops an overrun; 16 also stop one that skips up to 60 KiB.
const FENCE_PAGES: usize = 16;

/// End of a buffer that touches the guard pages. The rest of a page lies beyond the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The first item: an access before the buffer ends the process.
    Start,
    /// The last item: an access beyond the buffer ends the process.
    End,
}

/// Item of a fenced buffer: a number for which any bits are valid.
pub trait Pod: Copy + sealed::Sealed {}
impl Pod for u8 {}
impl Pod for f32 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
}

/// Buffer between guard pages, as in Electric Fence. Any access to a guard page, in any language, ends the process with a
/// memory fault; so use it with foreign code in a process of its own.
#[derive(Debug)]
pub struct FencedBuffer<T> {
    pages: Pages,
    /// Bytes from the start of the pages to the first item.
    offset: usize,
    len: usize,
    items: PhantomData<T>,
}

impl<T: Pod> FencedBuffer<T> {
    /// Copies `items` into pages of their own.
    ///
    /// # Errors
    /// The system's error if it has no memory or no mappings left.
    pub fn new(items: &[T], edge: Edge) -> io::Result<Self> {
        let fence = FENCE_PAGES * region::page::size();
        let bytes = size_of_val(items);
        // Whole pages, so that the fence begins right after them; at least one.
        let inside = bytes.max(1).next_multiple_of(region::page::size());
        let pages = Pages::new(fence + inside + fence)?;
        pages.protect(0, fence, Protection::NONE)?;
        pages.protect(fence + inside, fence, Protection::NONE)?;
        let offset = match edge {
            Edge::Start => fence,
            Edge::End => fence + inside - bytes,
        };
        let mut buffer = Self { pages, offset, len: items.len(), items: PhantomData };
        buffer.copy_from_slice(items);
        Ok(buffer)
    }

    /// Makes the buffer read-only: any write ends the process, even one that changes nothing.
    ///
    /// # Errors
    /// The system's error.
    pub fn read_only(self) -> io::Result<ReadOnlyBuffer<T>> {
        let fence = FENCE_PAGES * region::page::size();
        self.pages.protect(fence, self.pages.0.len() - 2 * fence, Protection::READ)?;
        Ok(ReadOnlyBuffer(self))
    }
}

impl<T: Pod> Deref for FencedBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` items from `offset` on lie in readable pages that live as long as this; the offset is a multiple
        // of the item's size, because a page's size is. Any bits are a valid item.
        unsafe { std::slice::from_raw_parts(self.pages.0.as_ptr::<T>().byte_add(self.offset), self.len) }
    }
}

impl<T: Pod> DerefMut for FencedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the pages are writable: `ReadOnlyBuffer` never lends its `FencedBuffer`.
        unsafe {
            std::slice::from_raw_parts_mut(self.pages.0.as_mut_ptr::<T>().byte_add(self.offset), self.len)
        }
    }
}

/// Fenced buffer in read-only pages.
#[derive(Debug)]
pub struct ReadOnlyBuffer<T>(FencedBuffer<T>);

impl<T: Pod> Deref for ReadOnlyBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// Pages allocated from the system, freed when dropped.
struct Pages(region::Allocation);

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({} bytes)", self.0.len())
    }
}

impl Pages {
    fn new(bytes: usize) -> io::Result<Self> {
        region::alloc(bytes, Protection::READ_WRITE).map(Self).map_err(region::Error::into_io_error)
    }

    fn protect(&self, from: usize, bytes: usize, protection: Protection) -> io::Result<()> {
        // SAFETY: this allocation owns the pages, `from + bytes` is within it, and no reference into it is alive.
        unsafe { region::protect(self.0.as_ptr::<u8>().byte_add(from), bytes, protection) }
            .map_err(region::Error::into_io_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_kept_and_lie_at_the_chosen_edge() {
        let page = region::page::size();
        for len in [0, 1, 3, page / 4, page / 4 + 1, page] {
            let items: Vec<f32> = (0..len).map(|i| i as f32).collect();
            for edge in [Edge::Start, Edge::End] {
                let mut buffer = FencedBuffer::new(&items, edge).unwrap();
                assert_eq!(*buffer, *items);
                let range = buffer.as_ptr_range();
                let at = if edge == Edge::Start { range.start } else { range.end };
                assert_eq!(at.addr() % page, 0, "{len} items at the {edge:?}");
                buffer.fill(7.0);
                assert!(buffer.read_only().unwrap().iter().all(|x| *x == 7.0));
            }
        }
    }

    #[test]
    fn sixteen_pages_beside_the_buffer_are_inaccessible() {
        let page = region::page::size();
        for edge in [Edge::Start, Edge::End] {
            let buffer = FencedBuffer::new(&[1_u8; 100], edge).unwrap();
            let (start, end) = (buffer.as_ptr_range().start, buffer.as_ptr_range().end);
            let protection = |at: *const u8| region::query(at).unwrap().protection();
            for distance in [0, 16 * page - 1] {
                let beside = match edge {
                    Edge::Start => start.wrapping_sub(1 + distance),
                    Edge::End => end.wrapping_add(distance),
                };
                assert_eq!(protection(beside), Protection::NONE, "{distance} bytes beyond the {edge:?}");
            }
            assert_eq!(protection(start), Protection::READ_WRITE);
            assert_eq!(protection(buffer.read_only().unwrap().as_ptr()), Protection::READ);
        }
    }
}
