//! Members of the network, each with a client, a key and a folder.

use std::{io, path::PathBuf, time::Duration};

use amop::{
    Client, ReplayGuard, ReplayStore, SealedDeliveries, SealedSubscription, Sealer, SealingKey,
    SealingPublicKey,
};
use amop_node::Network;
use amop_testkit::{builder, client, within};
use tempfile::TempDir;

#[amop::topic("settlement", sealed, reply = u64)]
#[derive(Debug, PartialEq)]
pub(crate) struct Settlement {
    pub(crate) amount: u64,
    note: String,
}

impl Settlement {
    pub(crate) fn new(amount: u64, note: &str) -> Self {
        let note = note.to_owned();
        Self { amount, note }
    }
}

/// The same topic, declared by someone who did not know that it is sealed.
#[amop::topic("settlement")]
pub(crate) struct Wire {
    pub(crate) amount: u64,
}

pub(crate) struct Member {
    pub(crate) client: Client,
    pub(crate) key: SealingKey,
    pub(crate) folder: TempDir,
}

impl Member {
    pub(crate) async fn new(network: &Network, node: usize) -> Self {
        Self {
            client: client(network, node).await,
            key: SealingKey::generate(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Connects a member that does not wait for long.
    pub(crate) async fn hasty(network: &Network, node: usize) -> Self {
        let client = builder(network, node).timeout(Duration::from_secs(2));
        Self {
            client: client.connect().await.unwrap(),
            ..Self::new(network, node).await
        }
    }

    /// Connects again, as after a restart of the program.
    pub(crate) async fn reconnect(&mut self, network: &Network, node: usize) {
        self.client.close().await;
        self.client = client(network, node).await;
    }

    pub(crate) fn guard_file(&self) -> PathBuf {
        self.folder.path().join("member.replay")
    }

    pub(crate) fn sealer(&self, recipients: &[&Self]) -> Sealer<Settlement> {
        self.client
            .seal_for(&self.key, &public(recipients))
            .unwrap()
    }

    pub(crate) async fn subscribe(&self, publishers: &[&Self]) -> SealedSubscription<Settlement> {
        let guard = ReplayGuard::file(self.guard_file()).unwrap();
        let publishers = public(publishers);
        let subscribe = Settlement::subscribe_sealed(&self.client, &self.key, &publishers, guard);
        within("subscribing", subscribe).await.unwrap()
    }

    pub(crate) async fn deliveries(&self, publishers: &[&Self]) -> SealedDeliveries<Settlement> {
        let guard = ReplayGuard::file(self.guard_file()).unwrap();
        self.deliveries_with(publishers, guard).await
    }

    pub(crate) async fn deliveries_with(
        &self,
        publishers: &[&Self],
        guard: ReplayGuard,
    ) -> SealedDeliveries<Settlement> {
        let publishers = public(publishers);
        let subscribe = Settlement::deliveries_sealed(&self.client, &self.key, &publishers, guard);
        within("subscribing", subscribe).await.unwrap()
    }
}

fn public(members: &[&Member]) -> Vec<SealingPublicKey> {
    members
        .iter()
        .map(|member| member.key.public_key())
        .collect()
}

pub(crate) async fn receive(settlements: &mut SealedSubscription<Settlement>, amount: u64) {
    let got = within("a message", settlements.next()).await;
    assert_eq!(got.map(|settlement| settlement.amount), Some(amount));
}

/// A store that saves nothing.
pub(crate) struct FullDisk;

impl ReplayStore for FullDisk {
    fn load(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}
