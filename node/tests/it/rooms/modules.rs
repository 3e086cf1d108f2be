//! The modules of a crate, read with `syn`, and the resolution of paths to the file that defines an item.
//!
//! The resolution follows `mod`, `use`, re-exports and globs. It knows no types, so a method call names nothing.

use std::{
    collections::{HashMap, HashSet},
    path::{Component, Path, PathBuf},
};

use syn::{Attribute, Item, ItemMod, UseTree, Visibility, visit::Visit};

/// Index of a module in [`Modules`].
pub(crate) type ModuleId = usize;

/// One name that a `use` declaration brings into a module.
pub(crate) struct Import {
    /// Name in the module; `None` for a glob and for `as _`.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    pub(crate) is_glob: bool,
    /// The `use` has a visibility of its own (`pub use`, `pub(super) use`).
    pub(crate) is_reexport: bool,
    pub(crate) is_test: bool,
}

/// A module: a file, or a `mod name { ... }` within one.
pub(crate) struct Module {
    parent: Option<ModuleId>,
    /// Path of the file, relative to the crate's source folder.
    pub(crate) file: String,
    /// First module below the crate's root on the way to this one; empty for the root.
    pub(crate) room: String,
    /// The module is compiled for tests only.
    pub(crate) is_test: bool,
    children: HashMap<String, ModuleId>,
    definitions: HashSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Items of the module, without its inline modules.
    pub(crate) items: Vec<Item>,
}

/// Target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Module(ModuleId),
    /// An item that this module defines.
    Item(ModuleId),
}

/// A path, followed as far as this crate goes.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) target: Option<Target>,
    /// Modules on the way, the target's own included.
    pub(crate) passed: Vec<ModuleId>,
}

/// All modules of the library and the binary of one package.
pub(crate) struct Modules {
    pub(crate) all: Vec<Module>,
    /// Name by which the binary calls the library, and the library's root.
    library: Option<(String, ModuleId)>,
}

impl Modules {
    /// Reads a package's modules from `lib.rs` and `main.rs`. `read` returns the text of a file below the source folder.
    pub(crate) fn read(package: &str, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self { all: Vec::new(), library: None };
        for root in ["lib.rs", "main.rs"] {
            if let Some(text) = read(Path::new(root)) {
                let id = modules.add(None, String::new(), Path::new(root), false);
                if root == "lib.rs" {
                    modules.library = Some((package.replace('-', "_"), id));
                }
                modules.fill_from_text(id, Path::new(root), &text, read);
            }
        }
        modules
    }

    fn add(&mut self, parent: Option<ModuleId>, room: String, file: &Path, is_test: bool) -> ModuleId {
        self.all.push(Module {
            parent,
            file: file.to_str().unwrap().to_owned(),
            room,
            is_test,
            children: HashMap::new(),
            definitions: HashSet::new(),
            imports: Vec::new(),
            items: Vec::new(),
        });
        self.all.len() - 1
    }

    fn fill_from_text(
        &mut self,
        id: ModuleId,
        file: &Path,
        text: &str,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap();
        let is_folder_root = ["lib", "main", "mod"].contains(&stem);
        let children = if is_folder_root { folder.to_owned() } else { folder.join(stem) };
        self.fill(id, parsed.items, &children, read);
    }

    /// Fills a module with its items; the files of its child modules are in `folder`.
    fn fill(
        &mut self,
        id: ModuleId,
        items: Vec<Item>,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        let is_test = self.all[id].is_test;
        let mut imports = Imports { found: Vec::new(), is_test };
        for item in items {
            match item {
                Item::Mod(child) => self.add_child(id, child, folder, read),
                item => {
                    imports.visit_item(&item);
                    self.all[id].definitions.extend(name_of(&item));
                    self.all[id].items.push(item);
                }
            }
        }
        self.all[id].imports = imports.found;
    }

    fn add_child(
        &mut self,
        parent: ModuleId,
        item: ItemMod,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        let name = item.ident.to_string();
        let above = &self.all[parent];
        let room = if above.parent.is_none() { name.clone() } else { above.room.clone() };
        let is_test = above.is_test || is_for_tests(&item.attrs);
        let above_file = PathBuf::from(&above.file);
        let child = if let Some((_, items)) = item.content {
            let child = self.add(Some(parent), room, &above_file, is_test);
            self.fill(child, items, &folder.join(&name), read);
            child
        } else {
            let places = match path_attribute(&item.attrs) {
                Some(path) => vec![normal(&above_file.parent().unwrap().join(path))],
                None => vec![folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")],
            };
            let found = places.iter().find_map(|place| Some((place, read(place)?)));
            let (file, text) =
                found.unwrap_or_else(|| panic!("{}: no file for mod {name}", above_file.display()));
            let child = self.add(Some(parent), room, file, is_test);
            self.fill_from_text(child, file, &text, read);
            child
        };
        self.all[parent].children.insert(name, child);
    }

    /// Follows a path that stands in the module `from`.
    pub(crate) fn resolve(&self, from: ModuleId, path: &[String]) -> Resolved {
        let mut search = Search { modules: self, passed: Vec::new(), tried: HashSet::new() };
        let target = search.follow(from, path);
        Resolved { target, passed: search.passed }
    }

    fn root(&self, mut module: ModuleId) -> ModuleId {
        while let Some(parent) = self.all[module].parent {
            module = parent;
        }
        module
    }
}

/// The resolution of one path.
struct Search<'a> {
    modules: &'a Modules,
    /// Modules on the way.
    passed: Vec<ModuleId>,
    /// Names that were looked up already. Globs may import each other.
    tried: HashSet<(ModuleId, String)>,
}

impl Search<'_> {
    fn follow(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let library = || self.modules.library.as_ref().filter(|(library, _)| library == first);
        let mut target = match first.as_str() {
            "crate" => Target::Module(self.modules.root(from)),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules.all[from].parent?),
            name => match library() {
                Some((_, root)) => Target::Module(*root),
                None => self.look_up(from, name)?,
            },
        };
        self.pass(target);
        while let (Target::Module(module), Some((name, behind))) = (target, rest.split_first()) {
            target = match name.as_str() {
                "super" => Target::Module(self.modules.all[module].parent?),
                "self" => target,
                name => self.look_up(module, name)?,
            };
            self.pass(target);
            rest = behind;
        }
        Some(target)
    }

    fn pass(&mut self, target: Target) {
        let (Target::Module(module) | Target::Item(module)) = target;
        self.passed.push(module);
    }

    /// Finds a name in a module: a child module, an item, or an import.
    fn look_up(&mut self, module: ModuleId, name: &str) -> Option<Target> {
        let here = &self.modules.all[module];
        if let Some(child) = here.children.get(name) {
            return Some(Target::Module(*child));
        }
        if here.definitions.contains(name) {
            return Some(Target::Item(module));
        }
        if !self.tried.insert((module, name.to_owned())) {
            return None;
        }
        let passed = self.passed.len();
        for import in here.imports.iter().filter(|import| import.name.as_deref() == Some(name)) {
            if let Some(target) = self.follow(module, &import.path) {
                return Some(target);
            }
            self.passed.truncate(passed);
        }
        for import in here.imports.iter().filter(|import| import.is_glob) {
            if let Some(Target::Module(glob)) = self.follow(module, &import.path)
                && let Some(target) = self.look_up(glob, name)
            {
                return Some(target);
            }
            self.passed.truncate(passed);
        }
        None
    }
}

/// Removes `..` components from a path.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir && normal.file_name().is_some() {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    normal
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Expr::Lit(literal) = &attribute.meta.require_name_value().ok()?.value else { return None };
    let syn::Lit::Str(path) = &literal.lit else { return None };
    Some(path.value())
}

/// Returns whether the attributes contain `#[test]`, or `#[cfg(test)]` alone or with other conditions.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition =
            || attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test");
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg") && words(&condition()) && !condition().starts_with("not")
    })
}

/// Name that an item defines in its module.
fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::TraitAlias(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// Collects the `use` declarations of a module, those within functions too.
struct Imports {
    found: Vec<Import>,
    is_test: bool,
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        let is_test = self.is_test || is_for_tests(&item.attrs);
        flatten(&item.tree, &mut Vec::new(), &mut |path, name, is_glob| {
            self.found.push(Import { name, path, is_glob, is_reexport, is_test });
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let outside = self.is_test;
        self.is_test |= is_for_tests(&item.attrs);
        syn::visit::visit_item_fn(self, item);
        self.is_test = outside;
    }
}

/// Calls `found` with every path of a `use` tree, the name that it gets, and whether it is a glob.
fn flatten(
    tree: &UseTree,
    above: &mut Vec<String>,
    found: &mut impl FnMut(Vec<String>, Option<String>, bool),
) {
    let path = |last: &syn::Ident| [&above[..], &[last.to_string()]].concat();
    match tree {
        UseTree::Path(inner) => {
            above.push(inner.ident.to_string());
            flatten(&inner.tree, above, found);
            above.pop();
        }
        UseTree::Name(last) if last.ident == "self" => found(above.clone(), above.last().cloned(), false),
        UseTree::Name(last) => found(path(&last.ident), Some(last.ident.to_string()), false),
        UseTree::Rename(last) => {
            let path = if last.ident == "self" { above.clone() } else { path(&last.ident) };
            let name = last.rename.to_string();
            found(path, Some(name).filter(|name| name != "_"), false);
        }
        UseTree::Glob(_) => found(above.clone(), None, true),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, above, found)),
    }
}
