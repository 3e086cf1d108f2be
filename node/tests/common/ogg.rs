//! Helpers that take Ogg files apart and put them together again.

#![allow(unreachable_pub, reason = "a test binary takes it in as a module")]

/// Corrects the checksum of one page (RFC 3533, section 6).
pub fn set_checksum(page: &mut [u8]) {
    page[22..26].fill(0);
    let crc = page.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}

/// Splits an Ogg file into its pages.
fn pages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        let segments = usize::from(bytes[26]);
        let body: usize = bytes[27..27 + segments].iter().map(|it| usize::from(*it)).sum();
        let (page, rest) = bytes.split_at(27 + segments + body);
        pages.push(page);
        bytes = rest;
    }
    pages
}

/// Replaces one page of `good` with a page of `other`, with a correct sequence number and checksum.
pub fn with_page_of(good: &[u8], other: &[u8]) -> Vec<u8> {
    let (good, other) = (pages(good), pages(other));
    let mut pages: Vec<_> = good.iter().map(|it| it.to_vec()).collect();
    // Keeps position, serial number and sequence number of the page.
    pages[4] = [&other[4][..6], &good[4][6..22], &other[4][22..]].concat();
    set_checksum(&mut pages[4]);
    pages.concat()
}
