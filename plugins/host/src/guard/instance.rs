use std::cell::OnceCell;

use media_plugin_sdk::{PluginError, Result, guard::catch_panic};

/// An encoder, decoder or open output. The first panic poisons it: every later call returns the same error.
pub(super) struct Instance<T: ?Sized> {
    // None only during drop.
    inner: Option<Box<T>>,
    panicked: OnceCell<String>,
}

impl<T: ?Sized> Instance<T> {
    pub(super) fn new(inner: Box<T>) -> Self {
        Self { inner: Some(inner), panicked: OnceCell::new() }
    }

    /// Runs one call on the instance.
    ///
    /// # Errors
    /// The call's own; `Panicked` if this call or an earlier one panicked.
    pub(super) fn call<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let Self { inner, panicked } = self;
        guarded(panicked, inner.as_deref_mut(), call)
    }

    /// As [`Instance::call`], through a shared reference.
    pub(super) fn call_ref<R>(&self, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
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
    let result = catch_panic(|| call(inner));
    if let Err(PluginError::Panicked(why)) = &result {
        // A loaded plugin returns `Panicked` instead of unwinding; its instance is poisoned too.
        panicked.get_or_init(|| why.clone());
    }
    result
}

impl<T: ?Sized> Drop for Instance<T> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // Drop cannot return an error; the panic hook has already printed this one.
        let _ = catch_panic(|| {
            drop(inner);
            Ok(())
        });
    }
}
