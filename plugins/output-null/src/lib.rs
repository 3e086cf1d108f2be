//! Nothing, in real time or as fast as it comes.
