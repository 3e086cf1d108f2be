/// Keeps libasound from writing its complaints about missing cards to standard error, on this thread from now on. What
/// matters of them comes back as an error. Call it again before each piece of work: that empties what was held back.
#[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
pub(crate) fn quiet() {
    // Without it there is only more noise.
    let _ = alsa::Output::local_error_handler();
}

/// Other systems are quiet by themselves.
#[cfg(not(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")))]
pub(crate) fn quiet() {}
