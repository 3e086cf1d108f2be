//! Where sound stops for want of data and goes on: 5 ms down, 5 ms up.

use super::Sink;

impl Sink {
    pub(super) fn fade_frames(&self) -> usize {
        self.rate() as usize * Self::FADE_MS / 1000
    }

    /// Turns what is pending down to nothing, for a silence that could not be helped.
    pub(in crate::client) fn fade_out(&mut self) {
        let pending = &mut self.pending[self.written..];
        let channels = usize::from(self.format.channels).max(1);
        let frames = (pending.len() / channels) as f32;
        for (n, frame) in pending.chunks_mut(channels).enumerate() {
            let gain = 1.0 - (n as f32 + 1.0) / frames;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }

    /// Turns what comes next up from nothing.
    pub(in crate::client) fn fade_in(&mut self) {
        self.risen = 0;
        self.rise(self.written);
    }

    pub(super) fn rise(&mut self, first: usize) {
        let (all, channels) = (self.fade_frames(), usize::from(self.format.channels).max(1));
        for frame in self.pending[first..].chunks_mut(channels).take(all.saturating_sub(self.risen)) {
            self.risen += 1;
            let gain = self.risen as f32 / all as f32;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }
}
