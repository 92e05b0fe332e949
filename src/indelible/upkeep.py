"""The store while a server runs: opened as soon as it can be, repaired when damaged, and kept in order."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from .basekeeper import Bases
from .clock import Clock
from .config import Settings
from .errors import JournalOff, StoreDamaged, StoreError
from .health import Health
from .intents import Intents
from .model import Source, State
from .saver import Saver
from .store.holding import HeavyText
from .store.store import Store, choose_place
from .tabs import Tabs

log = logging.getLogger("indelible")

DISCARDED_FOR = timedelta(days=30)
ADOPT_EVERY_S = 30.0
DAMAGE_TOLD_S = 600.0

T = TypeVar("T")


class Upkeep:
    """The store of the notebooks below one root directory. Calls block; safe from any thread."""

    def __init__(self, settings: Settings, *, root: Path | str, clock: Clock, health: Health, tabs: Tabs) -> None:
        """Nothing is opened before `tick`."""
        self.settings = settings
        self.root = os.path.realpath(root)
        self.clock = clock
        self.health = health
        self.tabs = tabs
        self.bases = Bases()
        self.is_open: Store | None = None
        """The store, while there is one."""
        self.on_heavy: Callable[[HeavyText], None] = lambda text: None
        self._saver: Saver | None = None
        self._lock = threading.RLock()
        self._adopted_at = float("-inf")
        self._damage_until = float("-inf")

    @property
    def store(self) -> Store:
        """Raises JournalOff, or StoreError with what keeps it from being opened."""
        if not self.settings.journal:
            raise JournalOff
        if self.is_open is None:
            problems = [one for one in self.health.problems if one.code != "journal_off" and not one.is_warning]
            raise StoreError(problems[0].message if problems else "the store is not open yet")
        return self.is_open

    @property
    def saver(self) -> Saver:
        """Raises as `store` does."""
        assert self.store is not None
        assert self._saver is not None
        return self._saver

    @property
    def root_id(self) -> str:
        """Name of the root directory in the store. Raises as `store` does."""
        return self.store.root_id(self.root)

    def guarded(self, work: Callable[[], T]) -> T:
        """Do it; a failure of the store is a problem in `health`, and raised."""
        try:
            return work()
        except StoreError as error:
            self.health.failed(error)
            raise

    def tick(self) -> bool:
        """Every few seconds: open what is not open, see whether it can be written, take over what others left.

        Whether the store is there and can be written.
        """
        with self._lock:
            try:
                store = self._opened()
                store.journal.probe()
            except StoreDamaged:
                self._repair()
                return False
            except StoreError as error:
                self.health.failed(error)
                return False
            self.health.worked()
            if self.clock.monotonic() > self._damage_until:
                self.health.worked("damage")
            self.saver.look_again()
            if self.clock.monotonic() - self._adopted_at > ADOPT_EVERY_S:
                self._adopted_at = self.clock.monotonic()
                self._look_after(store)
            return True

    def close(self) -> None:
        """Finish what is queued and close the store."""
        with self._lock:
            if self.is_open is not None:
                if self._saver is not None:
                    self._saver.close()
                self.is_open.close()
                self.is_open = None

    def _opened(self) -> Store:
        if self.is_open is None:
            place = choose_place(self.settings.store_path, self.settings.local_store_path)
            self.is_open = Store(
                place, clock=self.clock, on_damage=self._other_was_damaged, on_heavy=lambda text: self.on_heavy(text)
            )
            self._begin_saving(self.is_open)
            log.info("Store %s (%s, %s)", place.folder, place.reason, place.file_system or "unknown file system")
            self._reopen_tabs(self.is_open)
        return self.is_open

    def _begin_saving(self, store: Store) -> None:
        if self._saver is not None:
            self._saver.close()
        self._intents = Intents(store.folder / "intents", store.server, store.blobs.get)
        self._saver = Saver(store.journal, store.blobs, store.versions, intents=self._intents, clock=self.clock)

    def _look_after(self, store: Store) -> None:
        try:
            adopted = store.adopt_dead()
            self._intents.repair(store.is_dead, self._keep_foreign)
            if adopted:
                log.info("Took over %d drafts that another server left", len(adopted))
            store.renew_ballast()
            oldest = self.clock.now() - DISCARDED_FOR
            for one in store.journal.working_copies():
                is_over = one.state is State.DISCARDED and one.edited_at < oldest
                if one.id not in self.tabs and (is_over or not one.is_draft):
                    store.journal.close_working_copy(one.id, one.epoch, None)
            store.prune([*self._intents.blobs(), *self.bases.blobs(lambda one: one in self.tabs)])
        except StoreError as error:
            self.health.failed(error)

    def _keep_foreign(self, path: Path, content: bytes) -> None:
        """Somebody wrote a file after a save of ours was cut off."""
        try:
            name = path.relative_to(self.root).as_posix()
        except ValueError:
            name = str(path)
        self.saver.keep_bytes(content, root=self.root_id, name=name, source=Source.EXTERNAL)

    # -- damage --

    def _other_was_damaged(self, aside: Path, working_copies: Sequence[str]) -> None:
        self._report_damage(aside, f"{len(working_copies)} drafts of a server that is gone could be salvaged")

    def _repair(self) -> None:
        """The journal turned out to be damaged: set it aside, fill a fresh one from the tabs."""
        store = self.is_open
        if store is None:
            return
        try:
            aside = store.replace_damaged(lambda working_copy: working_copy in self.tabs)
        except StoreError as error:
            self.health.failed(error)
            return
        self._begin_saving(store)
        self._report_damage(aside, "a fresh one is being filled from the open tabs")
        self.health.worked()
        self._reopen_tabs(store)

    def _report_damage(self, aside: Path, what: str) -> None:
        self._damage_until = self.clock.monotonic() + DAMAGE_TOLD_S
        error = StoreDamaged(
            f"the journal was damaged and is set aside in {aside}; {what}",
            hint="check the disk; the damaged file is kept for salvage",
            path=aside,
        )
        self.health.failed(error, place="damage")

    def _reopen_tabs(self, store: Store) -> None:
        """A journal that knows nothing yet: tell it which working copies are open, and ask for their content."""
        for live in self.tabs:
            if store.journal.open(live.opening, store.root_id(self.root)) is None:
                self.tabs.ask_for_all(live.opening.working_copy, "the journal starts anew")
