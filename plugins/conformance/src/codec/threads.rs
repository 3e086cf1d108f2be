use std::{sync::Arc, thread};

use media_plugin_sdk::{Codec, Encoding, PluginError};

use super::case::Case;
use crate::{
    chunks,
    failure::{Breaks, Failure, require},
};

/// Threads that make and use instances at the same time.
const THREADS: usize = 8;
/// Encoders and decoders that each thread makes.
const ROUNDS: usize = 25;

/// Uses instances on eight threads at the same time, and one encoder on changing threads. Each must write the packets and
/// samples of an instance that runs alone.
///
/// # Errors
/// The first broken rule.
pub fn check_threads(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let (encoding, track) = case.prepare(codec)?;
    let work = Work { frames: &track, end: encoding.choice.format.rate as usize / 5, encoding: &encoding };
    let alone = work.run(codec.as_ref()).breaks("one instance encodes and decodes")?;

    let rule = "eight instances work at the same time";
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| (0..ROUNDS).find_map(|_| work.difference(codec.as_ref(), &alone))))
            .collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for outcome in outcomes {
        let difference = outcome.map_err(|_| Failure::new(rule, "a thread panicked"))?;
        require(difference.is_none(), rule, difference.unwrap_or_default())?;
    }
    check_migration(codec, &encoding, work.frames)
}

/// Input that every instance encodes and decodes.
struct Work<'a> {
    frames: &'a [f32],
    end: usize,
    encoding: &'a Encoding,
}

/// Packets, and the bits of the decoded samples.
type Coded = (Vec<Vec<u8>>, Vec<u32>);

impl Work<'_> {
    fn run(&self, codec: &dyn Codec) -> Result<Coded, PluginError> {
        let mut encoder = codec.encoder(&self.encoding.choice)?;
        let packets = chunks::encode(encoder.as_mut(), self.encoding, self.frames, 0, self.end)?;
        let mut decoder = codec.decoder(self.encoding.choice.format, &self.encoding.config)?;
        let pcm = chunks::decode(decoder.as_mut(), self.encoding, &packets)?;
        Ok((packets, pcm.into_iter().map(f32::to_bits).collect()))
    }

    fn difference(&self, codec: &dyn Codec, alone: &Coded) -> Option<String> {
        match self.run(codec) {
            Err(why) => Some(why.to_string()),
            Ok(coded) => (coded != *alone)
                .then(|| "packets or samples differ from those of an instance that runs alone".into()),
        }
    }
}

/// Makes each call of one encoder on a new thread.
fn check_migration(codec: &Arc<dyn Codec>, encoding: &Encoding, track: &[f32]) -> Result<(), Failure> {
    let rule = "an encoder may be called from changing threads";
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let mut staying = codec.encoder(&encoding.choice).breaks(rule)?;
    let mut moving = codec.encoder(&encoding.choice).breaks(rule)?;
    let capacity = encoding.max_packet_bytes as usize;
    for pcm in track.chunks_exact(samples).take(20) {
        let mut expected = vec![0; capacity];
        let mut packet = vec![0; capacity];
        let expected_len = staying.encode(pcm, &mut expected).breaks(rule)?;
        let len = thread::scope(|scope| scope.spawn(|| moving.encode(pcm, &mut packet)).join());
        let len = len.map_err(|_| Failure::new(rule, "a thread panicked"))?.breaks(rule)?;
        let observed = "on another thread it wrote a different packet";
        require(packet[..len] == expected[..expected_len], rule, observed)?;
    }
    Ok(())
}
