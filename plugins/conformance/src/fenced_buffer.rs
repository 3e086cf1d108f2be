//! Buffers beside which nothing may be touched.

#![allow(unsafe_code, reason = "pages are taken from the system, and a slice is made of them")]

use std::{
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use region::Protection;

/// Pages on each side that nobody may touch: one stops an overrun, more stop one that skips some.
const FENCE_PAGES: usize = 16;

/// Which end of a buffer lies directly at the fence. Beside the other end is what is left of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The first item: reading or writing before the buffer ends the process.
    Start,
    /// The last item: reading or writing beyond the buffer ends the process.
    End,
}

/// What a fenced buffer can hold: plain numbers, for which any bits are valid.
pub trait Pod: Copy + sealed::Sealed {}
impl Pod for u8 {}
impl Pod for f32 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
}

/// A buffer between pages that may be neither read nor written. Whoever touches them, of whatever language, ends the
/// process with a fault of memory: hand it to foreign code in a process of its own.
#[derive(Debug)]
pub struct FencedBuffer<T> {
    pages: Pages,
    /// Bytes from the beginning of the pages to the first item.
    offset: usize,
    len: usize,
    items: PhantomData<T>,
}

impl<T: Pod> FencedBuffer<T> {
    /// A copy of `items` in pages of its own.
    ///
    /// # Errors
    /// What the system says when it has no memory left, or no more mappings.
    pub fn new(items: &[T], edge: Edge) -> io::Result<Self> {
        let fence = FENCE_PAGES * region::page::size();
        let bytes = size_of_val(items);
        // Of whole pages, so that a fence begins where they end, and at least one.
        let inside = bytes.max(1).next_multiple_of(region::page::size());
        let pages = Pages::new(fence + inside + fence)?;
        pages.protect(0, fence, Protection::NONE)?;
        pages.protect(fence + inside, fence, Protection::NONE)?;
        let offset = match edge {
            Edge::Start => fence,
            Edge::End => fence + inside - bytes,
        };
        let mut fenced = Self { pages, offset, len: items.len(), items: PhantomData };
        fenced.copy_from_slice(items);
        Ok(fenced)
    }

    /// The same buffer, in which a write ends the process, even one that changes nothing.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_only(self) -> io::Result<ReadOnlyBuffer<T>> {
        let fence = FENCE_PAGES * region::page::size();
        self.pages.protect(fence, self.pages.0.len() - 2 * fence, Protection::READ)?;
        Ok(ReadOnlyBuffer(self))
    }
}

impl<T: Pod> Deref for FencedBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` items from `offset` on lie in pages that may be read and that live as long as this; the offset is
        // a multiple of the item's size, because a page's size is. Any bits are an item.
        unsafe { std::slice::from_raw_parts(self.pages.0.as_ptr::<T>().byte_add(self.offset), self.len) }
    }
}

impl<T: Pod> DerefMut for FencedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and they may be written: `ReadOnlyBuffer` gives out no `FencedBuffer`.
        unsafe {
            std::slice::from_raw_parts_mut(self.pages.0.as_mut_ptr::<T>().byte_add(self.offset), self.len)
        }
    }
}

/// A fenced buffer that may only be read.
#[derive(Debug)]
pub struct ReadOnlyBuffer<T>(FencedBuffer<T>);

impl<T: Pod> Deref for ReadOnlyBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// Pages of our own, given back when dropped.
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
        // SAFETY: these pages are ours, `from + bytes` is within them, and no reference into them is alive.
        unsafe { region::protect(self.0.as_ptr::<u8>().byte_add(from), bytes, protection) }
            .map_err(region::Error::into_io_error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_it_was_given_at_the_edge_that_was_asked_for() {
        let page = region::page::size();
        for len in [0, 1, 3, page / 4, page / 4 + 1, page] {
            let items: Vec<f32> = (0..len).map(|i| i as f32).collect();
            for edge in [Edge::Start, Edge::End] {
                let mut fenced = FencedBuffer::new(&items, edge).unwrap();
                assert_eq!(*fenced, *items);
                let range = fenced.as_ptr_range();
                let at = if edge == Edge::Start { range.start } else { range.end };
                assert_eq!(at.addr() % page, 0, "{len} items at the {edge:?}");
                fenced.fill(7.0);
                assert!(fenced.read_only().unwrap().iter().all(|x| *x == 7.0));
            }
        }
    }

    #[test]
    fn what_lies_beside_it_is_shut() {
        for edge in [Edge::Start, Edge::End] {
            let fenced = FencedBuffer::new(&[1_u8; 100], edge).unwrap();
            let (start, end) = (fenced.as_ptr_range().start, fenced.as_ptr_range().end);
            let beside = if edge == Edge::Start { start.wrapping_sub(1) } else { end };
            let protection = |at: *const u8| region::query(at).unwrap().protection();
            assert_eq!(protection(beside), Protection::NONE);
            assert_eq!(protection(start), Protection::READ_WRITE);
            assert_eq!(protection(fenced.read_only().unwrap().as_ptr()), Protection::READ);
        }
    }
}
