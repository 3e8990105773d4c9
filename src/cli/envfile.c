#include "cli/envfile.h"

static const char begin_mark[] =
    "# >>> valetkey: written by `valetkey env`, changes between these lines are lost >>>";
static const char end_mark[] = "# <<< valetkey <<<";

static bool is_mark(vk_str line, const char *word)
{
    return vk_str_starts(line, vk_str_z(word));
}

static vk_str next_line(vk_str *left)
{
    vk_str line;
    if (!vk_str_cut(left, '\n', &line)) {
        line = *left;
        *left = VK_STR_NONE;
    }
    return line;
}

/* The name that a line sets: "  export NAME = …". VK_STR_NONE for comments and the like. */
static vk_str name_of(vk_str line)
{
    vk_str name;
    while (line.n && (line.p[0] == ' ' || line.p[0] == '\t')) {
        line.p++;
        line.n--;
    }
    if (vk_str_starts(line, VK_STR("export "))) {
        line.p += 7;
        line.n -= 7;
    }
    if (!line.n || line.p[0] == '#' || !vk_str_cut(&line, '=', &name))
        return VK_STR_NONE;
    while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--;
    return name;
}

static const vk_env_var *find(const vk_env_var *vars, size_t n, vk_str name)
{
    for (size_t i = 0; name.n && i < n; i++)
        if (vk_str_eqz(name, vars[i].name))
            return &vars[i];
    return NULL;
}

/* The line without the CR that some editors leave. */
static vk_str bare(vk_str line)
{
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* True when the line is exactly what we would write for that variable. */
static bool same(vk_str line, vk_env_format f, const vk_env_var *v)
{
    vk_buf b;
    const char *why;
    vk_buf_init(&b, VK_ENVFILE_MAX);
    bool eq = vk_env_line(&b, f, v, &why) == VK_OK && vk_str_eq((vk_str){b.p, b.n - 1}, bare(line));
    vk_buf_free_secret(&b);
    return eq;
}

/* False: the block that began has no end, so what is ours in it cannot be told from what is not. */
static bool has_end(vk_str left)
{
    while (left.n)
        if (is_mark(next_line(&left), "# <<< valetkey"))
            return true;
    return false;
}

static void put_block(vk_env_format f, const vk_env_var *vars, size_t n, vk_buf *out, vk_err *e,
                      const char **why_r)
{
    vk_buf_z(out, begin_mark);
    vk_buf_ch(out, '\n');
    for (size_t i = 0; *e == VK_OK && i < n; i++)
        *e = vk_env_line(out, f, &vars[i], why_r);
    vk_buf_z(out, end_mark);
    vk_buf_ch(out, '\n');
}

vk_err vk_envfile_merge(vk_str old, vk_env_format f, const vk_env_var *vars, size_t n, bool force,
                        vk_buf *out, vk_str *name_r, const char **why_r)
{
    bool inside = false, placed = false;
    vk_err e = VK_OK;
    *why_r = "the file is larger than 1 MiB";
    while (old.n && e == VK_OK) {
        vk_str line = next_line(&old), name = name_of(line);
        const vk_env_var *ours = find(vars, n, name);
        if (inside) {
            inside = !is_mark(line, "# <<< valetkey");
        } else if (is_mark(line, "# >>> valetkey")) {
            inside = true;
            if (!has_end(old)) {
                *why_r = "its block of valetkey has lost its last line (\"# <<< valetkey <<<\"); put it "
                         "back, or remove the block";
                return VK_E_INVALID;
            }
            if (!placed)
                put_block(f, vars, n, out, &e, why_r);
            placed = true;
        } else if (ours && same(line, f, ours)) {
            continue; /* an exact copy: the block has it */
        } else if (ours && !force) {
            *name_r = name;
            e = VK_E_CONFLICT;
        } else {
            if (ours)
                vk_buf_lit(out, "# replaced by valetkey: ");
            vk_buf_str(out, line);
            vk_buf_ch(out, '\n');
        }
    }
    if (e == VK_OK && !placed) {
        if (out->n && (out->n < 2 || out->p[out->n - 2] != '\n'))
            vk_buf_ch(out, '\n');
        put_block(f, vars, n, out, &e, why_r);
    }
    return e != VK_OK ? e : out->err;
}
