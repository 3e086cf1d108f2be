//! The nodes that a person knows by name: each name with its ticket, in one file that only its owner can read.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use media_plugin_sdk::transport::Welcome;
use media_protocol::Ticket;
use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the file's format. The program refuses a higher version, so that it does not lose data of a newer program.
const VERSION: u32 = 1;
/// Longest name, in characters.
const MAX_NAME: usize = 40;
/// Largest file that is read, in bytes. A ticket has a few hundred bytes, so this is room for thousands of nodes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Error about the named nodes. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum NodeBookError {
    /// An operation on the file failed.
    #[error("{doing} the named nodes in {}: {error}", .file.display())]
    Io {
        /// The operation, as in `reading`.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The file is damaged, or of a newer program.
    #[error("{} does not hold named nodes: {reason}; restore it, or remove it and add the nodes again", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The first problem.
        reason: String,
    },
    /// The text is not usable as a name.
    #[error(
        "{0:?} cannot be a name: use 1 to {MAX_NAME} letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
    )]
    BadName(String),
    /// The name is in use for another node.
    #[error("{0:?} is in use for another node: choose another name, or run `media-node forget {0}` first")]
    Taken(String),
    /// No node has this name, or a name that begins with it.
    #[error("no node named {name:?}{}", known(.names))]
    Unknown {
        /// The text that was given.
        name: String,
        /// All stored names.
        names: Vec<String>,
    },
    /// Several names begin with the text.
    #[error("{name:?} is the beginning of several names: {}; write more of it", .names.join(", "))]
    Ambiguous {
        /// The text that was given.
        name: String,
        /// The names that begin with it.
        names: Vec<String>,
    },
}

fn known(names: &[String]) -> String {
    if names.is_empty() {
        "; none is stored yet (`media-node add`)".into()
    } else {
        format!("; known: {}", names.join(", "))
    }
}

/// A node that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNode {
    /// Text of the ticket. A secret.
    pub ticket: String,
    /// Time at which the node was added, in seconds since 1970.
    pub added: u64,
    /// Time at which a command last reached it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<u64>,
    /// Kind of the path over which a command last reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version of its program, as of the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Names of its features beyond version 0.1, as of the last time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Names of this device's rights, as of the last time. Empty for a node that names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
}

impl KnownNode {
    fn new(ticket: String) -> Self {
        Self {
            ticket,
            added: now(),
            last_seen: None,
            path: None,
            version: None,
            features: Vec::new(),
            rights: Vec::new(),
        }
    }
}

/// Name for the node of a ticket that got none from a person.
#[must_use]
pub fn default_name(ticket: &Ticket) -> String {
    let peer = ticket.routes.first().map(|route| route.peer.as_str()).unwrap_or_default();
    let letters = peer.chars().filter(char::is_ascii_alphanumeric);
    format!("node-{}", letters.take(4).collect::<String>())
}

/// All named nodes. Each function that changes them writes the file at once, under a lock, so that two commands at the same
/// time do not lose each other's changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NodeBook {
    version: u32,
    nodes: BTreeMap<String, KnownNode>,
}

impl NodeBook {
    /// Reads the file. A missing file holds no nodes.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a file of this program.
    pub fn load(file: &Path) -> Result<Self, NodeBookError> {
        let failed = |error| NodeBookError::Io { doing: "reading", file: file.into(), error };
        let text = match files::metadata(file).map_err(failed)? {
            None => return Ok(Self { version: VERSION, ..Self::default() }),
            Some(metadata) if metadata.len() > MAX_BYTES => {
                return Err(Self::malformed(file, format!("it is larger than {MAX_BYTES} bytes")));
            }
            Some(_) => fs::read_to_string(file).map_err(failed)?,
        };
        let book: Self =
            serde_json::from_str(&text).map_err(|error| Self::malformed(file, error.to_string()))?;
        if book.version > VERSION {
            return Err(Self::malformed(
                file,
                format!("a newer program wrote it (version {})", book.version),
            ));
        }
        Ok(book)
    }

    /// Stores a ticket under a new name. Storing the same ticket under the same name again changes nothing.
    ///
    /// # Errors
    /// If the name is unusable or taken, or the file cannot be read or written.
    pub fn add(file: &Path, name: &str, ticket: &Ticket) -> Result<(), NodeBookError> {
        check_name(name)?;
        let ticket = ticket.to_string();
        Self::change(file, |book| {
            match book.nodes.get(name) {
                Some(known) if known.ticket != ticket => return Err(NodeBookError::Taken(name.into())),
                Some(_) => {}
                None => {
                    book.nodes.insert(name.into(), KnownNode::new(ticket));
                }
            }
            Ok(())
        })
    }

    /// Gives a node another name. Returns the old name in full.
    ///
    /// # Errors
    /// As [`NodeBook::find`] and [`NodeBook::add`].
    pub fn rename(file: &Path, from: &str, to: &str) -> Result<String, NodeBookError> {
        check_name(to)?;
        Self::change(file, |book| {
            let from = book.find(from)?.0.to_owned();
            if from != to && book.nodes.contains_key(to) {
                return Err(NodeBookError::Taken(to.into()));
            }
            if let Some(node) = book.nodes.remove(&from) {
                book.nodes.insert(to.into(), node);
            }
            Ok(from)
        })
    }

    /// Removes a node with its ticket. Takes the whole name only.
    ///
    /// # Errors
    /// If no node has the name, or the file cannot be read or written.
    pub fn forget(file: &Path, name: &str) -> Result<(), NodeBookError> {
        Self::change(file, |book| match book.nodes.remove(name) {
            Some(_) => Ok(()),
            None => Err(NodeBookError::Unknown { name: name.into(), names: book.names() }),
        })
    }

    /// Replaces a ticket for one device, which the node has exchanged, by the capability of this device. Returns the names
    /// that stand for it. A ticket without a name gets one, since the old one admits no further device.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn exchange(file: &Path, old: &Ticket, new: &Ticket) -> Result<Vec<String>, NodeBookError> {
        let (old, new_text) = (old.to_string(), new.to_string());
        Self::change(file, |book| {
            let is_either = |node: &KnownNode| node.ticket == old || node.ticket == new_text;
            if !book.nodes.values().any(is_either) {
                let free = |name: &String| !book.nodes.contains_key(name);
                let first = default_name(new);
                let numbered = (2_u32..).map(|number| format!("{first}-{number}"));
                if let Some(name) = std::iter::once(first.clone()).chain(numbered).find(free) {
                    book.nodes.insert(name, KnownNode::new(new_text.clone()));
                }
            }
            let named =
                book.nodes.iter_mut().filter(|(_, node)| node.ticket == old || node.ticket == new_text);
            Ok(named
                .map(|(name, node)| {
                    node.ticket.clone_from(&new_text);
                    name.clone()
                })
                .collect())
        })
    }

    /// Stores that the node of a ticket was reached now, over a path of this kind, and the features and rights that it named. Does
    /// nothing for a ticket without a name.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn note_seen(
        file: &Path,
        ticket: &Ticket,
        path: &str,
        welcome: &Welcome,
    ) -> Result<(), NodeBookError> {
        let ticket = ticket.to_string();
        if !Self::load(file)?.nodes.values().any(|node| node.ticket == ticket) {
            return Ok(());
        }
        Self::change(file, |book| {
            for node in book.nodes.values_mut().filter(|node| node.ticket == ticket) {
                node.last_seen = Some(now());
                node.path = Some(path.into());
                node.version = Some(welcome.version.clone()).filter(|version| !version.is_empty());
                node.features.clone_from(&welcome.features);
                node.rights.clone_from(&welcome.rights);
            }
            Ok(())
        })
    }

    /// Finds a node by its name, or by the beginning of exactly one name.
    ///
    /// # Errors
    /// `Unknown` or `Ambiguous`.
    pub fn find(&self, text: &str) -> Result<(&str, &KnownNode), NodeBookError> {
        if let Some((name, node)) = self.nodes.get_key_value(text) {
            return Ok((name, node));
        }
        let matches: Vec<_> =
            self.nodes.iter().filter(|(name, _)| !text.is_empty() && name.starts_with(text)).collect();
        match matches.as_slice() {
            [(name, node)] => Ok((name, node)),
            [] => Err(NodeBookError::Unknown { name: text.into(), names: self.names() }),
            several => Err(NodeBookError::Ambiguous {
                name: text.into(),
                names: several.iter().map(|(name, _)| (*name).clone()).collect(),
            }),
        }
    }

    /// All nodes by name, in alphabetical order.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &KnownNode)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// All names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Reads the file, changes the nodes, and writes the file. Holds a lock meanwhile, which other commands wait for.
    fn change<T>(
        file: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, NodeBookError>,
    ) -> Result<T, NodeBookError> {
        let failed = |doing| move |error| NodeBookError::Io { doing, file: file.into(), error };
        let _locked = files::lock(file).map_err(failed("locking"))?;
        let mut book = Self::load(file)?;
        let result = change(&mut book)?;
        book.version = VERSION;
        let text = serde_json::to_string_pretty(&book).map_err(io::Error::from).map_err(failed("writing"))?;
        files::write(file, &(text + "\n"), true).map_err(failed("writing"))?;
        Ok(result)
    }

    fn malformed(file: &Path, reason: String) -> NodeBookError {
        NodeBookError::Malformed { file: file.into(), reason }
    }
}

/// Tells if the text can name a node or a ticket: 1 to 40 letters, digits, `-`, `_` or `.`, beginning with a letter or
/// digit.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_inner = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    text.chars().count() <= MAX_NAME
        && text.starts_with(char::is_alphanumeric)
        && text.chars().all(is_inner)
        && text.parse::<Ticket>().is_err()
}

fn check_name(name: &str) -> Result<(), NodeBookError> {
    if is_name(name) { Ok(()) } else { Err(NodeBookError::BadName(name.into())) }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use media_protocol::Route;

    use super::*;

    fn ticket(byte: u8) -> Ticket {
        let route = Route { transport: "fastn".into(), peer: "peer".into(), addresses: vec![] };
        Ticket { routes: vec![route], capability: [byte; 32] }
    }

    #[test]
    fn names_lead_to_tickets_by_their_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/nodes.json");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        NodeBook::add(&file, "holiday", &ticket(2)).unwrap();
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        let book = NodeBook::load(&file).unwrap();
        assert_eq!(book.find("home").unwrap().1.ticket, ticket(1).to_string());
        assert_eq!(book.find("hol").unwrap().0, "holiday");
        let ambiguous = book.find("ho").unwrap_err().to_string();
        assert!(ambiguous.contains("holiday, home"), "{ambiguous}");
        let unknown = book.find("x").unwrap_err().to_string();
        assert!(unknown.contains("known: holiday, home"), "{unknown}");
        assert!(matches!(book.find(""), Err(NodeBookError::Unknown { .. })));
        assert!(matches!(NodeBook::add(&file, "home", &ticket(3)), Err(NodeBookError::Taken(_))));
    }

    #[test]
    fn a_whole_name_wins_over_a_longer_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        NodeBook::add(&file, "home2", &ticket(2)).unwrap();
        assert_eq!(NodeBook::load(&file).unwrap().find("home").unwrap().0, "home");
    }

    #[test]
    fn renaming_keeps_the_ticket_and_forgetting_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        NodeBook::add(&file, "work", &ticket(2)).unwrap();
        assert!(matches!(NodeBook::rename(&file, "home", "work"), Err(NodeBookError::Taken(_))));
        assert_eq!(NodeBook::rename(&file, "ho", "attic").unwrap(), "home");
        let book = NodeBook::load(&file).unwrap();
        assert_eq!(book.find("attic").unwrap().1.ticket, ticket(1).to_string());
        assert!(
            matches!(NodeBook::forget(&file, "att"), Err(NodeBookError::Unknown { .. })),
            "whole names only"
        );
        NodeBook::forget(&file, "attic").unwrap();
        assert_eq!(NodeBook::load(&file).unwrap().names(), ["work"]);
        assert!(!fs::read_to_string(&file).unwrap().contains(&ticket(1).to_string()));
    }

    #[test]
    fn reaching_a_node_is_noted_under_its_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        let rights = vec!["listen".to_owned()];
        let welcome = Welcome { rights: rights.clone(), ..Welcome::default() };
        NodeBook::note_seen(&file, &ticket(1), "lan", &welcome).unwrap();
        assert!(!file.exists(), "a ticket without a name is not stored");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        NodeBook::note_seen(&file, &ticket(1), "lan", &welcome).unwrap();
        let book = NodeBook::load(&file).unwrap();
        let node = book.find("home").unwrap().1;
        assert!(node.last_seen >= Some(node.added));
        assert_eq!((node.path.as_deref(), &node.rights), (Some("lan"), &rights));
    }

    #[test]
    fn an_exchanged_ticket_is_replaced_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        NodeBook::add(&file, "node-peer", &ticket(9)).unwrap();
        assert_eq!(NodeBook::exchange(&file, &ticket(1), &ticket(2)).unwrap(), ["home"]);
        // Again, as when the answer to the first exchange was lost.
        assert_eq!(NodeBook::exchange(&file, &ticket(1), &ticket(2)).unwrap(), ["home"]);
        assert_eq!(NodeBook::load(&file).unwrap().find("home").unwrap().1.ticket, ticket(2).to_string());
        assert_eq!(NodeBook::exchange(&file, &ticket(3), &ticket(4)).unwrap(), ["node-peer-2"]);
        assert!(!fs::read_to_string(&file).unwrap().contains(&ticket(1).to_string()));
    }

    #[test]
    fn unusable_names_are_refused() {
        let long = "a".repeat(MAX_NAME + 1);
        let ticket = ticket(1).to_string();
        for name in ["", "-", "a b", "a/b", ".x", "../x", "a\n", &long, &ticket] {
            assert!(matches!(check_name(name), Err(NodeBookError::BadName(_))), "{name:?}");
        }
        for name in ["home", "pi-2", "küche", "7", "a.b_c", &"a".repeat(MAX_NAME)] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        for text in ["", "[]", "{\"version\":2,\"nodes\":{}}"] {
            fs::write(&file, text).unwrap();
            assert!(matches!(NodeBook::load(&file), Err(NodeBookError::Malformed { .. })), "{text:?}");
            assert!(NodeBook::add(&file, "home", &ticket(1)).is_err());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.json");
        NodeBook::add(&file, "home", &ticket(1)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
