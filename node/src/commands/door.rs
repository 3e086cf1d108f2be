//! The decision on a peer in its handshake: proofs of devices, and devices that ask for access, in front of the rules.

use std::sync::{Arc, PoisonError, RwLock};

use media_plugin_sdk::transport::{Admit, Refusal, Transport};

use crate::{
    asking::{Asked, AskingList, asked_name},
    device_proof::{ProvenToken, message, split_token},
};

/// Code of the refusal of a device that asked for access.
pub(super) const ASKED: &str = "asked";

/// The door of one transport. Its rules can be replaced while it is open.
#[derive(Clone)]
pub(super) struct Door {
    transport: Arc<dyn Transport>,
    rules: Arc<RwLock<Admit>>,
    asking: Arc<AskingList>,
}

impl Door {
    /// A door that admits by these rules. `asking` gets the devices that ask for access.
    pub(super) fn new(transport: Arc<dyn Transport>, rules: Admit, asking: Arc<AskingList>) -> Self {
        Self { transport, rules: Arc::new(RwLock::new(rules)), asking }
    }

    /// Replaces the rules.
    pub(super) fn set_rules(&self, rules: Admit) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The decision, for [`media_plugin_sdk::transport::BindOptions::admit`].
    pub(super) fn admit(&self) -> Admit {
        let door = self.clone();
        Arc::new(move |peer, token| {
            let rules = Arc::clone(&door.rules.read().unwrap_or_else(PoisonError::into_inner));
            let Some(ProvenToken { device, signature, token }) = token.and_then(split_token) else {
                return door.admit_or_ask(&rules, &[peer], token);
            };
            if !door.transport.verify(device, &message(peer), signature) {
                return Err("invalid_token".into());
            }
            // A ticket counts for the process itself.
            door.admit_or_ask(&rules, &[peer, device], token)
        })
    }

    /// Admits by the first of the identities that the rules admit. The last one asks, if the token says so.
    fn admit_or_ask(
        &self,
        rules: &Admit,
        identities: &[&str],
        token: Option<&str>,
    ) -> Result<media_plugin_sdk::transport::Admission, Refusal> {
        let name = token.and_then(asked_name);
        let token = token.filter(|_| name.is_none());
        let mut refusal = Refusal::from("unauthorized");
        for identity in identities {
            match rules(identity, token) {
                Ok(admission) => return Ok(admission),
                Err(refused) => refusal = refused,
            }
        }
        let (Some(name), Some(device)) = (name, identities.last()) else { return Err(refusal) };
        let reason = match self.asking.ask(device, name) {
            Asked::New => {
                let name = crate::ui::sanitize(name);
                tracing::warn!(
                    "{name:.40} asks for access; to allow it: media-node allow {device} --for LABEL"
                );
                "the owner of the node sees that this device asks"
            }
            Asked::Again => "the owner of the node has not answered yet",
            Asked::TooMany => {
                let reason = "too many devices ask this node at the moment; try again in a minute";
                return Err(Refusal { code: "unauthorized".into(), reason: reason.into() });
            }
        };
        Err(Refusal { code: ASKED.into(), reason: reason.into() })
    }
}

#[cfg(test)]
#[cfg(feature = "fastn")]
mod tests {
    use media_plugin_sdk::transport::Admission;

    use super::*;
    use crate::{asking::asking_token, device_proof::proven_token, plugins};

    #[tokio::test]
    async fn a_process_comes_in_by_the_right_of_its_device_and_asks_in_its_name() {
        let transport = plugins::registry().transport("fastn").unwrap();
        let (device, process) = (transport.identity(&[1; 32]), transport.identity(&[2; 32]));
        let sign = |process: &str| transport.sign(&[1; 32], &message(process)).unwrap();
        let allowed = device.clone();
        let rules: Admit = Arc::new(move |peer, token| match token {
            Some("ticket") => Ok(Admission::default()),
            _ if peer == allowed => Ok(Admission::default()),
            Some(_) => Err("invalid_token".into()),
            None => Err("unauthorized".into()),
        });
        let asking = Arc::new(AskingList::default());
        let door = Door::new(Arc::clone(&transport), rules, Arc::clone(&asking));
        let admit = door.admit();
        let outcome = |token: Option<&str>| match admit(&process, token) {
            Ok(_) => "in".to_owned(),
            Err(refusal) => refusal.code,
        };
        assert_eq!(outcome(None), "unauthorized");
        assert_eq!(outcome(Some("ticket")), "in");
        assert_eq!(outcome(Some(&proven_token(&device, &sign(&process), None))), "in");
        assert_eq!(outcome(Some(&proven_token(&device, &sign(&process), Some("old ticket")))), "in");
        // The proof of another process, and one of no device.
        assert_eq!(outcome(Some(&proven_token(&device, &sign(&device), None))), "invalid_token");
        assert_eq!(outcome(Some(&proven_token("nobody", &sign(&process), None))), "invalid_token");
        assert_eq!(asking.devices(), []);

        door.set_rules(Arc::new(|_, _| Err("unauthorized".into())));
        let ask = proven_token(&device, &sign(&process), Some(&asking_token("a phone")));
        assert_eq!((outcome(Some(&ask)), outcome(Some(&ask))), ("asked".into(), "asked".into()));
        let asks = asking.devices();
        assert_eq!((asks.len(), &asks[0].id, asks[0].name.as_str()), (1, &device, "a phone"));
        door.set_rules(Arc::new(|_, _| Ok(Admission::default())));
        assert_eq!(outcome(Some(&ask)), "in", "the owner has answered");
    }
}
