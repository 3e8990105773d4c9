"""TAP-style lines. A suite that checked nothing fails."""


class Tap:
    def __init__(self):
        self.passed = self.failed = 0

    def ok(self, cond, name, detail=None):
        if cond:
            self.passed += 1
        else:
            self.failed += 1
        print("%s %d - %s" % ("ok" if cond else "not ok", self.passed + self.failed, name), flush=True)
        if not cond and detail is not None:
            self.note(detail)
        return bool(cond)

    @staticmethod
    def note(text):
        for line in str(text).splitlines():
            print("# " + line, flush=True)

    def finish(self):
        if not self.passed:
            self.ok(False, "at least one check ran")
        print("1..%d" % (self.passed + self.failed), flush=True)
        return 1 if self.failed else 0
