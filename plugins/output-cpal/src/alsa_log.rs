/// Stops libasound from writing to standard error on this thread, for example about missing cards. Failed calls still
/// return errors. Each call also drops the messages collected since the last one.
#[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
pub(crate) fn silence_alsa() {
    // An error here only means more output on standard error.
    let _ = alsa::Output::local_error_handler();
}

/// Does nothing on systems without ALSA.
#[cfg(not(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")))]
pub(crate) fn silence_alsa() {}
