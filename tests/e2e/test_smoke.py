from .browsers import Browser
from .notebooks import assert_same, modern, read, real_notebook, write
from .pages import open_notebook
from .servers import JupyterServer

def test_smoke(server: JupyterServer, browser: Browser) -> None:
    write(server.root / "a.ipynb", modern(real_notebook()))
    book = open_notebook(browser.context, server, "a.ipynb").wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    book.page.screenshot(path=f"/tmp/smoke-{server.app}.png")
    book.save()
    assert_same(held, read(server.root / "a.ipynb"))
    browser.kill()
    browser.open_again()
    book = open_notebook(browser.context, server, "a.ipynb").wait_for_kernel()
    assert_same(held, book.content())
