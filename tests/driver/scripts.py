# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts for the device side, from which tests choose; see side.Side."""


def to(msg_id, dev_num=None):
    """A condition: requests with this id, to this device if it is given."""
    return lambda request: request.is_transport(msg_id, dev_num)


def is_bus(msg_id):
    """A condition: requests to the bus with this id."""
    return lambda request: request.is_bus and request.msg_id == msg_id


def unanswered(chosen):
    """Do not answer some requests."""
    return lambda request, answers: [] if chosen(request) else answers


def altered(chosen, alter):
    """Put alter(request, payload) into the answers to some requests."""
    def script(request, answers):
        if not chosen(request):
            return answers
        return [answer.but(payload=alter(request, answer.payload))
                for answer in answers]
    return script


class Keep:
    """Keep the answers to some requests back until release()."""

    def __init__(self, side, chosen):
        self._side = side
        self._chosen = chosen
        self.kept = []

    def __call__(self, request, answers):
        if not self._chosen(request):
            return answers
        self.kept += answers
        return []

    async def wait_for(self, count):
        await self._side.until(lambda: len(self.kept) >= count,
                               f"{count} answers to keep back")

    def release(self):
        """Let the kept answers go, and all further ones pass."""
        kept, self.kept = self.kept, []
        self._chosen = lambda request: False
        self._side.send(*kept)
