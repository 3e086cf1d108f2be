//! Every path of a crate's code that leads to another of its files, or to another crate.

use std::collections::HashSet;

use syn::{
    Attribute, ImplItemFn, Item, Macro, Meta, Pat, Path, Visibility,
    buffer::{Cursor, TokenBuffer},
    visit::{self, Visit},
};

use super::modules::{ModuleId, Modules, Target, is_for_tests};

/// A path in one file that names something in another.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) from: String,
    /// File that defines the item; `None` if the path names a module, or leaves the crate.
    pub(crate) to: Option<String>,
    pub(crate) path: String,
    /// Top modules of the crate on the way; `*` for a glob of the crate's root.
    pub(crate) rooms: Vec<String>,
    /// Top module of the file that has the path.
    pub(crate) room: String,
    pub(crate) is_test: bool,
    pub(crate) is_reexport: bool,
}

/// All uses of a crate.
pub(crate) fn uses(modules: &Modules) -> Vec<Use> {
    let mut all = Vec::new();
    for (id, module) in modules.all.iter().enumerate() {
        for import in &module.imports {
            let mut found = resolve(modules, id, &import.path, import.is_test);
            found.is_reexport = import.is_reexport;
            if import.is_glob {
                // The names that come through a glob count where the code has them.
                found.to = None;
                let is_root = matches!(modules.resolve(id, &import.path).target, Some(Target::Module(module))
                    if modules.all[module].room.is_empty());
                // Tests of the root itself may take all of it.
                if is_root && !module.room.is_empty() && modules.all[id].file != "lib.rs" {
                    found.rooms.push("*".into());
                }
            }
            all.push(found);
        }
        let mut code =
            Code { modules, module: id, is_test: module.is_test, bound: HashSet::new(), found: Vec::new() };
        for item in &module.items {
            Bound(&mut code.bound).visit_item(item);
        }
        for item in &module.items {
            code.visit_item(item);
        }
        all.append(&mut code.found);
    }
    all
}

fn resolve(modules: &Modules, module: ModuleId, path: &[String], is_test: bool) -> Use {
    let resolved = modules.resolve(module, path);
    let here = &modules.all[module];
    let to = match resolved.target {
        Some(Target::Item(there)) => Some(modules.all[there].file.clone()),
        _ => None,
    };
    let rooms = resolved.passed.iter().map(|passed| modules.all[*passed].room.clone());
    Use {
        from: here.file.clone(),
        to: to.filter(|file| *file != here.file),
        path: path.join("::"),
        rooms: rooms.filter(|room| !room.is_empty()).collect(),
        room: here.room.clone(),
        is_test,
        is_reexport: false,
    }
}

/// Walks the items of one module, without its `use` declarations.
struct Code<'a> {
    modules: &'a Modules,
    module: ModuleId,
    is_test: bool,
    /// Names of local variables and parameters.
    bound: HashSet<String>,
    found: Vec<Use>,
}

impl Code<'_> {
    fn take(&mut self, path: &[String]) {
        // A single name may be a local variable. If it is imported by name, its `use` counts already.
        let is_local = matches!(path, [name] if self.bound.contains(name));
        if !is_local {
            self.found.push(resolve(self.modules, self.module, path, self.is_test));
        }
    }

    /// Takes the paths among the tokens of a macro call. A single lower-case name is no path there.
    fn take_tokens(&mut self, mut cursor: Cursor<'_>) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        while !cursor.eof() {
            if let Some((ident, rest)) = cursor.ident() {
                if colons != 2 {
                    self.take_tokens_path(&path);
                    path.clear();
                }
                path.push(ident.to_string());
                (colons, cursor) = (0, rest);
            } else if let Some((punct, rest)) = cursor.punct() {
                if punct.as_char() == ':' {
                    colons += 1;
                } else {
                    self.take_tokens_path(&path);
                    path.clear();
                    colons = 0;
                }
                cursor = rest;
            } else {
                self.take_tokens_path(&path);
                path.clear();
                colons = 0;
                if let Some((inside, _, _, rest)) = cursor.any_group() {
                    self.take_tokens(inside);
                    cursor = rest;
                } else if let Some((_, rest)) = cursor.token_tree() {
                    cursor = rest;
                }
            }
        }
        self.take_tokens_path(&path);
    }

    fn take_tokens_path(&mut self, path: &[String]) {
        let is_type = |name: &String| name.starts_with(char::is_uppercase);
        if path.len() > 1 || path.first().is_some_and(is_type) {
            self.take(path);
        }
    }

    fn within(&mut self, attributes: &[Attribute], walk: impl FnOnce(&mut Self)) {
        let outside = self.is_test;
        self.is_test |= is_for_tests(attributes);
        walk(self);
        self.is_test = outside;
    }
}

impl<'ast> Visit<'ast> for Code<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), |this| visit::visit_item(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.within(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.take_tokens(TokenBuffer::new2(call.tokens.clone()).begin());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && !attribute.path().is_ident("cfg")
        {
            self.take_tokens(TokenBuffer::new2(list.tokens.clone()).begin());
        }
    }
}

/// Collects the names that patterns bind.
struct Bound<'a>(&'a mut HashSet<String>);

impl<'ast> Visit<'ast> for Bound<'_> {
    fn visit_pat(&mut self, pattern: &'ast Pat) {
        if let Pat::Ident(bound) = pattern {
            self.0.insert(bound.ident.to_string());
        }
        visit::visit_pat(self, pattern);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        _ => &[],
    }
}
