//! Offers of a request for a track: codecs with bitrates, and the formats of the output.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::transport::Path;
use media_protocol::{CodecOffer, ErrorCode, OutputOffer, PathKind, PathReport, WireError};

use super::{
    codec_choice::{CodecChoice, path_report},
    policy::{self, Policy},
    throughput::MeasuredThroughput,
};
use crate::{client::playback::OutputFormats, path_kind::path_kind};

/// Bitrates at which a lossy codec is offered beside the configured one, in bit/s.
pub(super) const LADDER: [u32; 9] =
    [160_000, 128_000, 96_000, 64_000, 48_000, 32_000, 24_000, 16_000, 12_000];

/// Builds the offers of each request.
pub(crate) struct OfferBuilder {
    pub(crate) choice: CodecChoice,
    /// Highest bitrate of a lossy codec, in bit/s.
    pub(crate) bitrate: u32,
    pub(crate) registry: Arc<Registry>,
    /// Rates and channels of the output.
    pub(crate) formats: OutputFormats,
    pub(crate) throughput: MeasuredThroughput,
}

impl OfferBuilder {
    /// Codecs to offer on this path, most wanted first, without those that `failed` in this session.
    ///
    /// # Errors
    /// If no other codec is left.
    pub(crate) fn codecs(&self, path: &Path, failed: &[String]) -> Result<Vec<CodecOffer>, WireError> {
        let mut codecs = offers(&self.choice, self.bitrate, path, &self.registry);
        codecs.retain(|offer| !failed.contains(&offer.id));
        if codecs.is_empty() && !failed.is_empty() {
            let message = format!("no codec is left to ask for: {} failed", failed.join(", "));
            return Err(WireError::new(ErrorCode::NoCommonCodec, message));
        }
        Ok(codecs)
    }

    /// Formats that the output takes.
    pub(crate) fn output(&self) -> OutputOffer {
        self.formats.offer()
    }

    /// Report of the path, with the measured throughput.
    pub(crate) fn path_report(&self, path: &Path) -> PathReport {
        path_report(path, self.throughput.get())
    }
}

/// Codecs to offer on a path, most wanted first. Lossy ones are offered at `bitrate`, in bit/s, or at the highest bitrate that
/// the choice allows on this path if that is lower. With `Auto` and `DataSaver` they are also offered at the bitrates of the
/// ladder, for the rate choice.
pub(super) fn offers(
    choice: &CodecChoice,
    bitrate: u32,
    path: &Path,
    registry: &Registry,
) -> Vec<CodecOffer> {
    let mut codecs: Vec<_> = registry.codecs().map(|codec| codec.info()).collect();
    let kind = path_kind(path.kind);
    let wide = matches!(choice, CodecChoice::Auto(_)) && policy::is_near(kind);
    let mut bitrate = bitrate;
    let ladder = match choice {
        CodecChoice::Lossless => {
            codecs.retain(|codec| codec.lossless);
            &[][..]
        }
        CodecChoice::DataSaver(_) => {
            codecs.sort_by_key(|codec| codec.lossless);
            bitrate = bitrate.min(Policy::SAVER);
            let low = LADDER.iter().position(|step| *step <= Policy::SAVER);
            &LADDER[low.unwrap_or_default()..]
        }
        CodecChoice::Auto(budget) => {
            bitrate = bitrate.min(Policy::auto(*budget).most(kind));
            // Within one machine bytes cost nothing, and PCM needs no work. On a network, above all Wi-Fi, FLAC is worth its
            // work, as it halves the bytes. The sort is stable, so equal codecs keep the registry's order.
            let near = matches!(kind, PathKind::Memory | PathKind::Loopback);
            codecs.sort_by_key(|codec| (codec.lossless != wide, (codec.id == "pcm") != near));
            &LADDER[..]
        }
        CodecChoice::Only(ids) => {
            codecs.retain(|codec| ids.contains(&codec.id));
            codecs.sort_by_key(|codec| ids.iter().position(|id| *id == codec.id));
            &[][..]
        }
    };
    let at = |id: &str, bitrate| CodecOffer { id: id.into(), bitrate };
    let first = codecs.iter().map(|codec| at(&codec.id, (!codec.lossless).then_some(bitrate)));
    let lossy = codecs.iter().filter(|codec| !codec.lossless);
    let others = lossy.flat_map(|codec| ladder.iter().map(|step| at(&codec.id, Some(*step))));
    // Offers without a bitrate, so that a source of any bitrate can pass through unchanged.
    let unlimited = codecs.iter().filter(|codec| wide && !codec.lossless).map(|codec| at(&codec.id, None));
    first.chain(unlimited).chain(others).take(media_protocol::GetInfo::MAX_CODECS).collect()
}
