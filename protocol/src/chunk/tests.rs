use bytes::Bytes;
use proptest::prelude::*;

use super::{layout::REFUSAL, *};
use crate::{ChunkIndex, ErrorCode, WireError};

const INDEX: ChunkIndex = ChunkIndex(7);
const FRAMES: u32 = 132_300;

fn encode(packets: &[Vec<u8>], last: bool) -> Vec<u8> {
    encode_in_parts(packets, last, usize::MAX)
}

/// Encodes a chunk and takes its bytes after every `part` packets.
fn encode_in_parts(packets: &[Vec<u8>], last: bool, part: usize) -> Vec<u8> {
    let mut writer = ChunkWriter::new(INDEX, FRAMES, last);
    let mut chunk = Vec::new();
    for packets in packets.chunks(part) {
        packets.iter().for_each(|packet| writer.packet(packet).unwrap());
        chunk.extend(writer.take());
    }
    chunk.extend(writer.finish());
    chunk
}

fn reader(max_bytes: usize) -> ChunkReader {
    ChunkReader::new(INDEX, u64::from(FRAMES), max_bytes)
}

/// Returns the events of a stream that arrives in pieces of these lengths, repeated in turn.
fn decode(mut reader: ChunkReader, bytes: &[u8], pieces: &[usize]) -> Result<Vec<ChunkEvent>, ChunkError> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut events = Vec::new();
    for piece in pieces.iter().cycle() {
        reader.push(rest.split_to((*piece).min(rest.len())));
        while let Some(event) = reader.next()? {
            events.push(event);
        }
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(reader.is_done(), events.last() == Some(&ChunkEvent::End));
    Ok(events)
}

fn at_once(bytes: &[u8]) -> Result<Vec<ChunkEvent>, ChunkError> {
    decode(reader(bytes.len()), bytes, &[bytes.len()])
}

/// Reads a whole chunk after `bytes` have replaced those at `at`.
fn patched(at: usize, bytes: &[u8]) -> Result<Vec<ChunkEvent>, ChunkError> {
    let mut chunk = encode(&[vec![1, 2, 3]], false);
    chunk[at..at + bytes.len()].copy_from_slice(bytes);
    at_once(&chunk)
}

proptest! {
    #[test]
    fn a_chunk_comes_through_in_pieces_of_any_size(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        pieces in prop::collection::vec(1_usize..700, 1..10),
        part in 1_usize..20,
        last: bool,
    ) {
        let chunk = encode(&packets, last);
        prop_assert_eq!(&encode_in_parts(&packets, last, part), &chunk);
        let (covered, end) = chunk.split_at(chunk.len() - TRAILER);
        prop_assert!(blake3::hash(covered) == end[4..]);
        let mut expected = vec![ChunkEvent::Header { index: INDEX, frames: FRAMES, last }];
        expected.extend(packets.into_iter().map(|it| ChunkEvent::Packet(it.into())));
        expected.push(ChunkEvent::End);
        prop_assert_eq!(decode(reader(chunk.len()), &chunk, &pieces).unwrap(), expected);
    }

    #[test]
    fn a_part_is_what_is_there_of_a_packet_and_of_nothing_else(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        pieces in prop::collection::vec(1_usize..700, 1..10),
    ) {
        let chunk = encode(&packets, true);
        let mut reader = reader(chunk.len());
        let (mut pushed, mut whole) = (0, 0);
        for piece in pieces.iter().cycle() {
            let end = (pushed + piece).min(chunk.len());
            reader.push(Bytes::copy_from_slice(&chunk[pushed..end]));
            pushed = end;
            while let Some(event) = reader.next().unwrap() {
                whole += usize::from(matches!(event, ChunkEvent::Packet(_)));
            }
            let came: usize = packets[..whole].iter().map(|it| PACKET_PREFIX + it.len()).sum();
            let part = pushed.saturating_sub(HEADER + came + PACKET_PREFIX);
            prop_assert_eq!(reader.partial_packet(), if whole < packets.len() { part } else { 0 });
            if pushed == chunk.len() {
                break;
            }
        }
        prop_assert!(reader.is_done());
    }

    #[test]
    fn any_changed_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut chunk = encode(&[vec![1; 40], vec![2; 9]], false);
        let at = at.index(chunk.len());
        chunk[at] ^= 1_u8 << bit;
        let ended = at_once(&chunk).is_ok_and(|events| events.last() == Some(&ChunkEvent::End));
        prop_assert!(!ended);
    }
}

#[test]
fn a_packet_within_one_push_is_not_copied() {
    let chunk = Bytes::from(encode(&[vec![9; 1000]], false));
    let place = chunk.as_ptr() as usize + HEADER + PACKET_PREFIX;
    let mut reader = reader(chunk.len());
    reader.push(chunk);
    assert!(matches!(reader.next(), Ok(Some(ChunkEvent::Header { .. }))));
    let Ok(Some(ChunkEvent::Packet(packet))) = reader.next() else { panic!("no packet") };
    assert_eq!(packet.as_ptr() as usize, place);
}

#[test]
fn each_field_of_the_header_is_checked() {
    assert_eq!(patched(0, b"RIFF"), Err(ChunkError::NotAChunk));
    assert_eq!(patched(4, &[2]), Err(ChunkError::Unknown { version: 2, flags: 0 }));
    assert_eq!(patched(5, &[2]), Err(ChunkError::Unknown { version: 1, flags: 2 }));
    assert_eq!(patched(7, &[1]), Err(ChunkError::Unknown { version: 1, flags: 0 }));
    let other = |index, frames| {
        Err(ChunkError::Other { index, frames, expected_index: 7, expected_frames: u64::from(FRAMES) })
    };
    assert_eq!(patched(8, &[8]), other(8, FRAMES));
    assert_eq!(patched(12, &[0; 4]), other(7, 0));
}

#[test]
fn lengths_are_bounded() {
    let over = u32::try_from(MAX_PACKET).unwrap() + 1;
    assert_eq!(patched(HEADER, &over.to_le_bytes()), Err(ChunkError::PacketTooLong(over)));
    let chunk = encode(&[vec![0; 100]], false);
    let short = decode(reader(chunk.len() - 1), &chunk, &[50]);
    assert_eq!(short, Err(ChunkError::TooLong(chunk.len() - 1)));
    let mut writer = ChunkWriter::new(INDEX, FRAMES, false);
    assert_eq!(writer.packet(&[]), Err(PacketLength(0)));
    assert_eq!(writer.packet(&vec![0; MAX_PACKET + 1]), Err(PacketLength(MAX_PACKET + 1)));
    assert!(writer.packet(&vec![0; MAX_PACKET]).is_ok());
}

#[test]
fn a_loss_part_comes_last_and_only_if_it_is_expected() {
    let chunk = encode(&[vec![1, 2, 3]], true);
    let lossy = with_loss(&Bytes::from(chunk.clone()), 700);
    let lossy_reader = || reader(chunk.len()).expecting_loss();
    for piece in [1, 5, 1000] {
        let events = decode(lossy_reader(), &lossy, &[piece]).unwrap();
        assert_eq!(events[2..], [ChunkEvent::Loss(700), ChunkEvent::End]);
        assert_eq!(decode(lossy_reader(), &chunk, &[piece]).unwrap().len(), 3, "no loss");
    }
    assert_eq!(at_once(&lossy), Err(ChunkError::PacketTooLong(0xffff_fffe)));
    let at = lossy.len() - TRAILER - LOSS;
    for (frames, error) in
        [(0, ChunkError::BadLoss), (FRAMES + 1, ChunkError::BadLoss), (701, ChunkError::Damaged)]
    {
        let mut wrong = lossy.to_vec();
        wrong[at + 4..at + LOSS].copy_from_slice(&frames.to_le_bytes());
        assert_eq!(decode(lossy_reader(), &wrong, &[1000]), Err(error), "{frames}");
    }
    let twice = [&lossy[..at + LOSS], &lossy[at..]].concat();
    let room = reader(twice.len()).expecting_loss();
    assert_eq!(decode(room, &twice, &[1000]), Err(ChunkError::BadLoss));
}

#[test]
fn a_reader_that_is_not_polled_holds_no_more_than_its_limit() {
    let mut reader = reader(1000);
    for _ in 0..100 {
        reader.push(Bytes::from(vec![b'M'; 100]));
        assert!(reader.pushed.len() + reader.head.len() <= 1000);
    }
    assert_eq!(reader.next(), Err(ChunkError::TooLong(1000)));
    assert_eq!(reader.received(), 10_000);
}

#[test]
fn a_chunk_that_stops_short_is_not_done() {
    let chunk = encode(&[vec![5; 20]], true);
    for length in 0..chunk.len() {
        let events = decode(reader(chunk.len()), &chunk[..length], &[1000]).unwrap();
        assert_ne!(events.last(), Some(&ChunkEvent::End), "{length} bytes");
    }
}

#[test]
fn what_follows_the_end_is_an_error() {
    let mut chunk = encode(&[], true);
    chunk.push(0);
    assert_eq!(at_once(&chunk), Err(ChunkError::Trailing));
}

#[test]
fn a_refusal_comes_in_place_of_the_header_or_of_a_packet() {
    let error = WireError::new(ErrorCode::Unreadable, "the file \"x\" is gone");
    assert_eq!(at_once(&refusal(&error)), Err(ChunkError::Refused(error.clone())));
    let mut writer = ChunkWriter::new(INDEX, FRAMES, false);
    writer.packet(&[1]).unwrap();
    let stream = [writer.take(), refusal(&error)].concat();
    for pieces in [1, 3, 1000] {
        assert_eq!(decode(reader(9999), &stream, &[pieces]), Err(ChunkError::Refused(error.clone())));
    }
}

#[test]
fn a_refusal_is_bounded_on_both_sides() {
    let wild =
        WireError { code: ErrorCode::Internal, message: "\u{1b}\"\n".repeat(5000), retry_after_ms: None };
    let bytes = refusal(&wild);
    assert!(bytes.len() - 6 <= MAX_REFUSAL);
    let Err(ChunkError::Refused(error)) = at_once(&bytes) else { panic!("no refusal") };
    assert_eq!(error.message.len(), WireError::MAX_MESSAGE);
    assert!(!error.message.contains(char::is_control));

    let with_length = |length: u16| [&REFUSAL.to_le_bytes()[..], &length.to_le_bytes()].concat();
    assert_eq!(at_once(&with_length(0)), Err(ChunkError::BadRefusal));
    assert_eq!(at_once(&with_length(2049)), Err(ChunkError::BadRefusal));
    assert_eq!(at_once(&[with_length(2), b"{}".to_vec()].concat()), Err(ChunkError::BadRefusal));
}

#[test]
fn an_error_stays() {
    let mut reader = reader(1000);
    reader.push(Bytes::from_static(b"<html>"));
    assert_eq!(reader.next(), Err(ChunkError::NotAChunk));
    reader.push(encode(&[], true).into());
    assert_eq!(reader.next(), Err(ChunkError::NotAChunk));
    assert!(!reader.is_done());
}
