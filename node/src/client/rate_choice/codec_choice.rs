//! Choice of codecs by a person, and the rate choice that follows from it.

use std::sync::{Arc, atomic::AtomicBool};

use media_plugin_sdk::transport::Path;
use media_protocol::{
    PathReport,
    session::client::{FixedRendition, RateChoice},
};

use super::{
    adaptive::Adaptive,
    policy::{Budget, Policy},
    throughput::MeasuredThroughput,
};
use crate::path_kind::path_kind;

/// Choice of codecs by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecChoice {
    /// By the path: lossless on a local one, lossy on others, up to the throughput. Within a budget on a relayed path.
    Auto(Budget),
    /// Lossless on every path. Playback waits for audio that is late.
    Lossless,
    /// A low bitrate on every path, within a budget.
    DataSaver(Budget),
    /// Only these codecs, most wanted first.
    Only(Vec<String>),
}

/// Report of the path for `get_info`.
pub(crate) fn path_report(path: &Path, throughput: Option<u64>) -> PathReport {
    PathReport {
        kind: path_kind(path.kind),
        rtt_ms: path.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        loss: path.loss,
        throughput,
    }
}

/// Returns the rate choice for a codec choice, and the throughput that it measures. `Lossless` and `Only` never change the
/// rendition. `Auto` and `DataSaver` follow the throughput only while the output is `paced`, that is, plays in real time; the
/// limit of the path and the budget always apply.
pub(crate) fn chooser(
    choice: &CodecChoice,
    paced: Arc<AtomicBool>,
) -> (Box<dyn RateChoice>, MeasuredThroughput) {
    let policy = match choice {
        CodecChoice::Auto(budget) => Policy::auto(*budget),
        CodecChoice::DataSaver(budget) => Policy::data_saver(*budget),
        CodecChoice::Lossless | CodecChoice::Only(_) => {
            return (Box::new(FixedRendition), MeasuredThroughput::default());
        }
    };
    let adaptive = Adaptive::new(policy, paced);
    let measured = adaptive.measured();
    (Box::new(adaptive), measured)
}
