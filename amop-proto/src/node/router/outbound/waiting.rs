//! How many bytes of a peer's queue each sender has.

use std::{collections::hash_map::Entry, fmt};

use crate::{
    hash::HashMap,
    node::{Group, Sender},
};

/// Bytes by sender. Usually one sends at a time, so one sender is stored where it is found without
/// a lookup. Agencies and keys are counted only while much waits.
#[derive(Clone, Default)]
pub(in crate::node::router) struct WaitingBytes {
    /// A sender that is not in `others`. Without bytes it is unused.
    one: Option<Sender>,
    bytes: usize,
    /// The other senders; each has bytes.
    others: HashMap<Sender, usize>,
    groups: Option<Box<SenderGroups>>,
}

/// The senders by agency and key, and their late bytes: those sent while the queue was closed.
#[derive(Debug, Clone, Default)]
struct SenderGroups {
    /// Every sender that has bytes.
    senders: HashMap<Sender, SenderCount>,
    agencies: HashMap<u64, GroupCount>,
    /// By agency and key.
    keys: HashMap<(u64, u64), GroupCount>,
}

#[derive(Debug, Clone, Copy)]
struct SenderCount {
    group: Group,
    late: usize,
}

/// The counts of an agency or of a key.
#[derive(Debug, Clone, Copy, Default)]
struct GroupCount {
    /// The number of its keys, or of its senders, that have bytes.
    members: usize,
    late: usize,
}

/// The waiting bytes of a sender, how many of them it sent late, and how many others there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) struct SenderBytes {
    pub(in crate::node::router) sender: usize,
    pub(in crate::node::router) sender_late: usize,
    pub(in crate::node::router) key_late: usize,
    pub(in crate::node::router) agency_late: usize,
    /// The senders of its key that have bytes, itself included.
    pub(in crate::node::router) senders: usize,
    /// The keys of its agency that have bytes, its own included.
    pub(in crate::node::router) keys: usize,
    /// The agencies that have bytes, its own included.
    pub(in crate::node::router) agencies: usize,
}

/// Shows a plain map: where a sender is stored does not matter.
impl fmt::Debug for WaitingBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.one.as_ref().filter(|_| self.bytes > 0);
        let one = one.map(|one| (one, &self.bytes));
        f.debug_map().entries(one).entries(&self.others).finish()
    }
}

impl WaitingBytes {
    pub(in crate::node::router) fn of(&self, sender: Sender) -> usize {
        if self.one == Some(sender) {
            return self.bytes;
        }
        self.others.get(&sender).copied().unwrap_or(0)
    }

    /// Returns what a sender of this group has, and the number of others if that is
    /// [counted](Self::count).
    pub(in crate::node::router) fn held(&self, sender: Sender, group: Group) -> SenderBytes {
        let bytes = self.of(sender);
        match &self.groups {
            Some(groups) => groups.held(sender, group, bytes),
            None => SenderBytes {
                sender: bytes,
                sender_late: 0,
                key_late: 0,
                agency_late: 0,
                senders: 1 + self.others.len(),
                keys: 1,
                agencies: 1,
            },
        }
    }

    #[inline]
    pub(in crate::node::router) fn add(&mut self, sender: Sender, bytes: usize) {
        if self.one == Some(sender) {
            self.bytes += bytes;
        } else if self.bytes == 0 && self.others.is_empty() {
            (self.one, self.bytes) = (Some(sender), bytes);
        } else {
            self.add_to_others(sender, bytes);
        }
    }

    fn add_to_others(&mut self, sender: Sender, bytes: usize) {
        if self.bytes > 0 {
            *self.others.entry(sender).or_default() += bytes;
            return;
        }
        let before = self.others.remove(&sender).unwrap_or(0);
        (self.one, self.bytes) = (Some(sender), before + bytes);
    }

    /// Removes bytes; if there are fewer, removes all.
    #[inline]
    pub(in crate::node::router) fn take(&mut self, sender: Sender, bytes: usize) {
        if self.groups.is_some() {
            self.take_counted(sender, bytes);
        } else {
            self.take_out(sender, bytes);
        }
    }

    #[inline]
    fn take_out(&mut self, sender: Sender, bytes: usize) {
        if self.one == Some(sender) {
            self.bytes = self.bytes.saturating_sub(bytes);
        } else if !self.others.is_empty() {
            self.take_from_others(sender, bytes);
        }
    }

    fn take_from_others(&mut self, sender: Sender, bytes: usize) {
        if let Entry::Occupied(mut held) = self.others.entry(sender) {
            *held.get_mut() = held.get().saturating_sub(bytes);
            if *held.get() == 0 {
                held.remove();
            }
        }
    }

    fn take_counted(&mut self, sender: Sender, bytes: usize) {
        self.take_out(sender, bytes);
        let left = self.of(sender);
        if let Some(groups) = &mut self.groups {
            groups.left(sender, left);
        }
    }

    /// Returns whether agencies and keys are counted.
    #[inline]
    pub(in crate::node::router) fn is_counted(&self) -> bool {
        self.groups.is_some()
    }

    /// Counts by agency and key from now on. `group` returns the group of a sender.
    pub(in crate::node::router) fn count(&mut self, group: impl Fn(Sender) -> Group) {
        let mut groups = Box::<SenderGroups>::default();
        let one = self.one.filter(|_| self.bytes > 0);
        for sender in one.into_iter().chain(self.others.keys().copied()) {
            groups.add(sender, group(sender), 0);
        }
        self.groups = Some(groups);
    }

    /// Counts bytes that were [added](Self::add), `late` of them late, if agencies and keys are
    /// counted.
    pub(in crate::node::router) fn count_added(
        &mut self,
        sender: Sender,
        group: Group,
        late: usize,
    ) {
        if self.of(sender) > 0
            && let Some(groups) = &mut self.groups
        {
            groups.add(sender, group, late);
        }
    }

    /// Counts only by sender from now on.
    pub(in crate::node::router) fn uncount(&mut self) {
        self.groups = None;
    }
}

impl SenderGroups {
    fn held(&self, sender: Sender, group: Group, bytes: usize) -> SenderBytes {
        let one = self.senders.get(&sender);
        let (is_new, late) = one.map_or((true, 0), |one| (false, one.late));
        let key = self.keys.get(&(group.agency, group.key));
        let agency = self.agencies.get(&group.agency);
        let members = |part: Option<&GroupCount>| part.map_or(0, |part| part.members);
        let late_of = |part: Option<&GroupCount>| part.map_or(0, |part| part.late);
        SenderBytes {
            sender: bytes,
            sender_late: late,
            key_late: late_of(key),
            agency_late: late_of(agency),
            senders: (members(key) + usize::from(is_new)).max(1),
            keys: members(agency) + usize::from(key.is_none()),
            agencies: self.agencies.len() + usize::from(agency.is_none()),
        }
    }

    fn add(&mut self, sender: Sender, group: Group, late: usize) {
        let (is_new, one) = match self.senders.entry(sender) {
            Entry::Vacant(entry) => (true, entry.insert(SenderCount { group, late: 0 })),
            Entry::Occupied(entry) => (false, entry.into_mut()),
        };
        one.late += late;
        // A sender that has bytes stays in the group it had when they came.
        let Group { agency, key } = one.group;
        let (is_new_key, key) = match self.keys.entry((agency, key)) {
            Entry::Vacant(entry) => (true, entry.insert(GroupCount::default())),
            Entry::Occupied(entry) => (false, entry.into_mut()),
        };
        key.members += usize::from(is_new);
        key.late += late;
        let agency = self.agencies.entry(agency).or_default();
        agency.members += usize::from(is_new_key);
        agency.late += late;
    }

    /// Updates a sender that has `left` bytes left. Late bytes are the last to leave.
    fn left(&mut self, sender: Sender, left: usize) {
        let Entry::Occupied(mut entry) = self.senders.entry(sender) else {
            return;
        };
        let SenderCount { group, late } = *entry.get();
        let gone = late.saturating_sub(left);
        entry.get_mut().late -= gone;
        let ends = left == 0;
        if ends {
            entry.remove();
        }
        let key = self.keys.entry((group.agency, group.key));
        let key_ends = GroupCount::give(key, ends, gone);
        GroupCount::give(self.agencies.entry(group.agency), key_ends, gone);
    }
}

impl GroupCount {
    /// Removes a member, and late bytes. Returns whether it was the last member.
    fn give<K>(entry: Entry<'_, K, Self>, member: bool, late: usize) -> bool {
        let Entry::Occupied(mut part) = entry else {
            return false;
        };
        part.get_mut().members -= usize::from(member);
        part.get_mut().late -= late;
        let ends = part.get().members == 0;
        if ends {
            part.remove();
        }
        ends
    }
}

#[cfg(test)]
mod tests;
