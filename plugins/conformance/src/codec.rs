//! What every codec keeps to.
