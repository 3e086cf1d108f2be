use std::{sync::Arc, thread};

use media_plugin_sdk::{Codec, Encoding, PluginError};

use super::{Case, prepared};
use crate::{During, Failure, chunks, require};

const INSTANCES: usize = 8;
const ROUNDS: usize = 25;

/// Makes and uses many instances at once, on several threads, and one instance on one thread after another: each gives
/// what a lone one gives.
///
/// # Errors
/// The first rule that is broken.
pub fn check_threads(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let (encoding, track) = prepared(codec, case)?;
    let track = Track { end: encoding.choice.format.rate as usize / 5, frames: &track, encoding: &encoding };
    let alone = track.through(codec.as_ref()).during("encodes and decodes alone")?;

    let check = "works on eight threads at once";
    let ran = thread::scope(|scope| {
        let at_once: Vec<_> = (0..INSTANCES)
            .map(|_| scope.spawn(|| (0..ROUNDS).find_map(|_| track.differs(codec.as_ref(), &alone))))
            .collect();
        at_once.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for outcome in ran {
        let why = outcome.map_err(|_| Failure::new(check, "a thread panicked"))?;
        require(why.is_none(), check, why.unwrap_or_default())?;
    }
    migrates(codec, &encoding, track.frames)
}

/// What goes into an instance and comes out of it.
struct Track<'a> {
    frames: &'a [f32],
    end: usize,
    encoding: &'a Encoding,
}

type Passed = (Vec<Vec<u8>>, Vec<u32>);

impl Track<'_> {
    fn through(&self, codec: &dyn Codec) -> Result<Passed, PluginError> {
        let mut encoder = codec.encoder(&self.encoding.choice)?;
        let packets = chunks::encode(encoder.as_mut(), self.encoding, self.frames, 0, self.end)?;
        let mut decoder = codec.decoder(self.encoding.choice.format, &self.encoding.config)?;
        let pcm = chunks::decode(decoder.as_mut(), self.encoding, &packets)?;
        Ok((packets, pcm.into_iter().map(f32::to_bits).collect()))
    }

    fn differs(&self, codec: &dyn Codec, alone: &Passed) -> Option<String> {
        match self.through(codec) {
            Err(why) => Some(why.to_string()),
            Ok(passed) => (passed != *alone).then(|| "it gave something else than alone".into()),
        }
    }
}

/// One encoder, each call on a thread of its own.
fn migrates(codec: &Arc<dyn Codec>, encoding: &Encoding, track: &[f32]) -> Result<(), Failure> {
    let check = "moves from thread to thread";
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let mut stays = codec.encoder(&encoding.choice).during(check)?;
    let mut moves = codec.encoder(&encoding.choice).during(check)?;
    let room = encoding.max_packet_bytes as usize;
    for pcm in track.chunks_exact(samples).take(20) {
        let (mut here, mut there) = (vec![0; room], vec![0; room]);
        let len = stays.encode(pcm, &mut here).during(check)?;
        let other = thread::scope(|scope| scope.spawn(|| moves.encode(pcm, &mut there)).join());
        let other = other.map_err(|_| Failure::new(check, "a thread panicked"))?.during(check)?;
        require((len, &here[..len]) == (other, &there[..other]), check, "it wrote another packet")?;
    }
    Ok(())
}
