//! Where a panic in a plugin stops.

use std::cell::OnceCell;

use media_plugin_sdk::{PluginError, Result, guard::caught};

/// An encoder, decoder or open output, which the first panic poisons: every later call gives the same error.
pub(crate) struct Instance<T: ?Sized> {
    // None only while it is dropped.
    inner: Option<Box<T>>,
    panicked: OnceCell<String>,
}

impl<T: ?Sized> Instance<T> {
    pub(crate) fn new(inner: Box<T>) -> Self {
        Self { inner: Some(inner), panicked: OnceCell::new() }
    }

    pub(crate) fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let Self { inner, panicked } = self;
        guarded(panicked, inner.as_deref_mut(), call)
    }

    pub(crate) fn call_ref<R>(&self, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        guarded(&self.panicked, self.inner.as_deref(), call)
    }
}

fn guarded<I, R>(
    panicked: &OnceCell<String>,
    inner: Option<I>,
    call: impl FnOnce(I) -> Result<R>,
) -> Result<R> {
    if let Some(why) = panicked.get() {
        return Err(PluginError::Panicked(why.clone()));
    }
    let Some(inner) = inner else { return Err(PluginError::Failed("the instance is closed".into())) };
    let result = caught(|| call(inner));
    if let Err(PluginError::Panicked(why)) = &result {
        // A plugin that returns `Panicked` itself is poisoned as well.
        panicked.get_or_init(|| why.clone());
    }
    result
}

impl<T: ?Sized> Drop for Instance<T> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // Nobody is left to tell; the panic hook has printed it.
        let _ = caught(|| {
            drop(inner);
            Ok(())
        });
    }
}
