//! How a track is asked for.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::transport::Path;
use media_protocol::{CodecOffer, ErrorCode, OutputOffer, WireError};

use super::rate_choice::{self, CodecChoice};

/// What the person wants, and what there is here.
pub(super) struct Offer {
    pub(super) choice: CodecChoice,
    pub(super) bitrate: u32,
    pub(super) registry: Arc<Registry>,
    pub(super) output: OutputOffer,
}

impl Offer {
    /// The codecs to ask for over this path, most wanted first, without those that `failed` in this session.
    ///
    /// # Errors
    /// When only those are left.
    pub(super) fn codecs(&self, path: &Path, failed: &[String]) -> Result<Vec<CodecOffer>, WireError> {
        let mut codecs = rate_choice::offers(&self.choice, self.bitrate, path, &self.registry);
        codecs.retain(|offer| !failed.contains(&offer.id));
        if codecs.is_empty() && !failed.is_empty() {
            let message = format!("no codec is left to ask for: {} failed", failed.join(", "));
            return Err(WireError::new(ErrorCode::NoCommonCodec, message));
        }
        Ok(codecs)
    }
}
