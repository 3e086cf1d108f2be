//! The track, and its sound over an undisturbed network.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]

use std::path::PathBuf;

use tempfile::TempDir;

use super::{
    rows::RATE,
    stage::{Listen, Listener, Node},
};
use crate::{
    fixtures::{self, Kind},
    net::{Link, Relay},
};

/// A track: its file and its decoded samples.
pub struct Music {
    folder: TempDir,
    samples: Vec<f32>,
}

impl Music {
    const FILE: &str = "music.flac";

    pub fn new(seconds: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let samples = fixtures::music(RATE, 2, seconds);
        let file = fixtures::encode(folder.path(), Kind::FlacS16, RATE, 2, &samples);
        std::fs::rename(file, folder.path().join(Self::FILE)).unwrap();
        Self { folder, samples: fixtures::stored(Kind::FlacS16, &samples) }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join(Self::FILE)
    }

    /// Starts a node that serves it.
    pub async fn node(&self) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(Self::FILE);
        std::fs::copy(self.file(), &file).unwrap();
        Node::start(&file, folder).await
    }

    /// Returns the expected sound: the result of the same codec over a good network, or the source if codecs
    /// change.
    pub async fn expected(&self, listen: Listen) -> Vec<f32> {
        if matches!(listen.codec, "pcm" | "auto") {
            return self.samples.clone();
        }
        let node = self.node().await;
        let relay = Relay::start(node.address(), 1, Link::default()).await;
        let node_link = node.tune.node_link(&[relay.address]).await;
        let whole =
            Listener::start(&node.tune, node_link, Listen { realtime: false, ..listen }).await.finish().await;
        node.stop().await;
        whole.recording.samples
    }
}
