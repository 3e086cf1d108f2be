//! Sound devices, through cpal.
