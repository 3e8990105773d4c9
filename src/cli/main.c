int main(int argc, char **argv);
int vk_cmd_serve(int argc, char **argv);
int main(int argc, char **argv) { return vk_cmd_serve(argc - 1, argv + 1); }
