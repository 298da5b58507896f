"""The beginning of scripts in which two hosts of a pair have a holder each: `first` and `second`."""

BEGIN = """
import os, signal, threading
from dataclasses import replace
from lbclient.dataplane.vrrp.holder import Holder, Wanted

class Half:
    def __init__(self, host):
        self.host = host
        self.news = threading.Event()
        self.start()
    def groups(self, others=(), yields=False):
        peer = 3 - self.host.number
        is_first = self.host.number == 1
        return [
            Wanted("four", 7, f"10.0.0.1{peer}", is_first, VIPS[4], others, yields),
            Wanted("six", 7, f"fd00::1{peer}", is_first, VIPS[6], (), yields),
        ]
    def start(self, is_able=True):
        with self.host.inside():
            self.holder = Holder(self.host.name, self.host.directory, ["eth0"], self.news.set)
            assert self.holder.refusal() is None, self.holder.refusal()
            self.holder.start(is_able)
    def want(self, *arguments, **options):
        with self.host.inside():
            self.holder.want(self.groups(*arguments, **options))
    def pid(self):
        with self.host.inside():
            return self.holder.keepalived.pid()
    def states(self):
        return set(self.holder.states().values())

def settled(state, half):
    wait(lambda: half.states() == {state}, f"{half.host.name} is not {state}: {half.states()}")

for each in pair.hosts:
    each.serve()
first, second = halves = [Half(each) for each in pair.hosts]

def end():
    for half in halves:
        with half.host.inside():
            half.holder.stop()
            half.holder.keepalived.stop()
"""
